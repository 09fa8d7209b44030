//! The names and types that the hold shares with the rest of the network.
//!
//! NSIDs, record types and method inputs and outputs as published in the `io.atcr.*`, `com.atproto.*` and `app.bsky.*`
//! lexicons, and the error names of their responses. No other room spells an NSID or an error name.

mod appview_methods;
pub mod error;
mod hold_methods;
pub mod nsid;
mod permission;
mod profile;
mod records;
mod registry_methods;
mod registry_records;
mod repo_methods;
mod session_methods;
mod tag;

pub use appview_methods::{RepositoriesPage, RepositoryView};
pub use hold_methods::{
    AbortUpload, BlobLocation, CompleteUpload, CompletedPart, CrewOutcome, GetPartUploadUrl, InitiateUpload,
    PartHeaders, PartTarget, RequestCrew, RequestCrewOutput, UploadIdOutput, UploadOutcome, UploadStatus, UploadedPart,
};
pub use permission::{Permission, PermissionSet};
pub use profile::{
    DESCRIPTION, DISPLAY_NAME, Link, MAX_PICTURE_BYTES, PICTURE_TYPES, Picture, Profile, StrongRef, TextBound,
};
pub use records::{Captain, Crew, ROLE_MEMBER, ROLE_OWNER, SELF_KEY, self_key};
pub use registry_methods::{
    BlobInfo, CrewExport, DeletedUserData, ImageOperation, LayerExport, LayerInfo, MAX_LAYERS, ManifestInfo,
    NotifyManifest, NotifyManifestOutput, PostExport, Quota, SetStats, StatsExport, Success, TierInfo, TierName, Tiers,
    UpdateCrewTier, UserData, UserDataHead,
};
pub use registry_records::{Facet, FacetFeature, FacetIndex, Layer, Manifest, Post, RepoPage, Stats};
pub use repo_methods::{
    ApplyWrites, ApplyWritesOutput, CommitMeta, CreateRecord, DeleteRecord, PutRecord, RecordPage, RecordResult,
    RecordView, Swap, WriteOperation,
};
pub use session_methods::{CreateSession, MAIN_PASSWORD_SCOPE, ServiceAuth, SessionTokens};
pub use tag::{Star, TagRecord};

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    const URI: &str = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/io.atcr.hold.crew/self";

    /// Whether `json` is what one end writes and the other reads.
    fn both_ways<T: Serialize + DeserializeOwned>(json: Value) {
        let read: T = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
    }

    #[test]
    fn uploads_are_read_and_written_by_both_ends() {
        let digest = format!("sha256:{}", "7".repeat(64));
        both_ways::<InitiateUpload>(json!({ "digest": "uploads/temp-1" }));
        both_ways::<UploadIdOutput>(json!({ "uploadId": "u" }));
        both_ways::<UploadIdOutput>(json!({ "uploadId": "u", "partLength": "any" }));
        both_ways::<UploadIdOutput>(json!({ "uploadId": "u", "minPartBytes": 1, "maxPartBytes": 2 }));
        both_ways::<GetPartUploadUrl>(json!({ "uploadId": "u", "partNumber": 1 }));
        let headers = json!({ "X-Upload-Id": "u", "X-Part-Number": "1" });
        both_ways::<PartTarget>(json!({ "url": "https://a.example/", "method": "PUT", "headers": headers }));
        both_ways::<UploadedPart>(json!({ "etag": "e" }));
        let parts = json!([{ "partNumber": 1, "etag": "e" }]);
        both_ways::<CompleteUpload>(json!({ "uploadId": "u", "digest": digest, "parts": parts }));
        both_ways::<UploadStatus>(json!({ "status": "completed", "digest": digest }));
        both_ways::<AbortUpload>(json!({ "uploadId": "u" }));
        both_ways::<UploadStatus>(json!({ "status": "aborted" }));
        both_ways::<BlobLocation>(json!({ "url": "https://a.example/" }));
    }

    #[test]
    fn what_is_said_of_images_is_read_and_written_by_both_ends() {
        let blob = json!({ "digest": "sha256:00", "size": 5 });
        let layer = json!({ "digest": "sha256:00", "size": 5, "mediaType": "a/b" });
        let manifest = json!({ "mediaType": "a/b", "config": blob, "layers": [layer] });
        both_ways::<NotifyManifest>(json!({
            "repository": "app", "userDid": DID, "manifestDigest": "sha256:00", "manifest": manifest, "tag": "latest",
            "operation": "push",
        }));
        both_ways::<NotifyManifest>(json!({
            "repository": "app", "userDid": DID, "manifestDigest": "sha256:00", "manifest": {},
        }));
        both_ways::<NotifyManifestOutput>(json!({
            "success": true, "operation": "push", "statsUpdated": true, "layersCreated": 1, "postCreated": true,
            "postUri": URI,
        }));
        both_ways::<NotifyManifestOutput>(json!({ "success": true, "operation": "pull", "statsUpdated": false }));
        both_ways::<Quota>(json!({ "userDid": DID, "uniqueBlobs": 1, "totalSize": 2, "limit": 3, "tier": "bosun" }));
        both_ways::<Tiers>(json!({ "tiers": [
            { "name": "bosun", "quotaBytes": 5, "quotaFormatted": "5 B", "scanOnPush": false },
        ]}));
        both_ways::<SetStats>(json!({ "ownerDid": DID, "repository": "app", "pullCount": 1 }));
        both_ways::<Success>(json!({ "success": true }));
        both_ways::<UserData>(json!({
            "exportedAt": "2026-01-02T03:04:05.000Z", "holdDid": DID, "userDid": DID, "isCaptain": false,
            "crewRecord": { "role": "member", "permissions": [], "addedAt": "2026-01-02T03:04:05.000Z" },
            "layerRecords": [{ "digest": "sha256:00", "size": 5 }], "statsRecords": [{ "pullCount": 1 }],
            "blueskyPosts": [{ "uri": URI, "text": "t" }],
        }));
        both_ways::<DeletedUserData>(json!({
            "success": true, "crewDeleted": true, "layersDeleted": 1, "statsDeleted": 2,
        }));
    }

    #[test]
    fn crew_and_records_are_read_and_written_by_both_ends() {
        both_ways::<RequestCrew>(json!({ "role": "member", "permissions": ["blob:read"] }));
        both_ways::<RequestCrew>(json!({}));
        both_ways::<RequestCrewOutput>(json!({ "status": "already_member", "message": "m", "uri": URI, "cid": "c" }));
        both_ways::<UpdateCrewTier>(json!({ "userDid": DID, "tierRank": 1 }));
        both_ways::<TierName>(json!({ "tierName": "bosun" }));
        let value = json!({ "$type": "io.atcr.hold.crew" });
        both_ways::<RecordPage>(json!({ "records": [{ "uri": URI, "cid": "c", "value": value }], "cursor": "x" }));
        both_ways::<CreateRecord>(json!({ "repo": DID, "collection": "a.b.c", "record": value }));
        for swap in [Value::Null, "c".into()] {
            both_ways::<PutRecord>(json!({
                "repo": DID, "collection": "a.b.c", "rkey": "self", "record": value, "swapRecord": swap,
            }));
        }
        both_ways::<PutRecord>(json!({ "repo": DID, "collection": "a.b.c", "rkey": "self", "record": value }));
        both_ways::<DeleteRecord>(json!({ "repo": DID, "collection": "a.b.c", "rkey": "self" }));
        both_ways::<ApplyWrites>(json!({ "repo": DID, "writes": [
            { "$type": "com.atproto.repo.applyWrites#create", "collection": "a.b.c", "value": value },
            { "$type": "com.atproto.repo.applyWrites#delete", "collection": "a.b.c", "rkey": "self" },
        ]}));
        both_ways::<ApplyWritesOutput>(json!({
            "commit": { "cid": "c", "rev": "r" }, "results": [{ "uri": URI, "cid": "c", "validationStatus": "valid" }],
        }));
    }
}
