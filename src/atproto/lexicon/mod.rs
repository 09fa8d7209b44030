//! The names and shapes that the hold shares with the rest of the network.
//!
//! NSIDs, record types and method inputs and outputs as published in the `io.atcr.*`, `com.atproto.*` and
//! `app.bsky.*` lexicons, and the error names of their answers. No other room spells an NSID or an error name.

pub mod error;
mod hold_methods;
pub mod nsid;
mod permission;
mod profile;
mod records;
mod registry_methods;
mod registry_records;
mod repo_methods;

pub use hold_methods::{
    AbortUpload, CompleteUpload, CompletedPart, GetPartUploadUrl, InitiateUpload, PartHeaders, PartTarget, RequestCrew,
    RequestCrewOutput, UploadIdOutput, UploadStatus,
};
pub use permission::{Permission, PermissionSet};
pub use profile::{
    DESCRIPTION, DISPLAY_NAME, Link, MAX_PICTURE_BYTES, PICTURE_TYPES, Picture, Profile, StrongRef, TextBound,
};
pub use records::{Captain, Crew, ROLE_MEMBER, ROLE_OWNER, SELF_KEY};
pub use registry_methods::{
    BlobInfo, CrewExport, DeletedUserData, LayerExport, LayerInfo, ManifestInfo, NotifyManifest, NotifyManifestOutput,
    PostExport, Quota, SetStats, StatsExport, Success, TierInfo, TierName, Tiers, UpdateCrewTier, UserData,
};
pub use registry_records::{Facet, FacetFeature, FacetIndex, Layer, Post, Stats};
pub use repo_methods::{
    ApplyWrites, ApplyWritesOutput, CommitMeta, CreateRecord, DeleteRecord, PutRecord, RecordResult, WriteOperation,
};
