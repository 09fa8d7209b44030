//! The NSIDs of all collections and methods in use, each a constant of its own type.

use std::ops::Deref;

use crate::syntax::Nsid;

/// A collection of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(&'static str);

/// An XRPC method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(&'static str);

/// Declares constants of one type, and the list of all of them. A text that is not an NSID does not compile.
macro_rules! nsids {
    ($kind:ident, $all:ident: $($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $($(#[$doc])* pub const $name: $kind = $kind(nsid($text));)*

        #[doc = concat!("Every [`", stringify!($kind), "`].")]
        pub const $all: &[$kind] = &[$($name),*];

        impl $kind {
            /// Returns the NSID as text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                self.0
            }
        }

        impl Deref for $kind {
            type Target = str;
            fn deref(&self) -> &str {
                self.0
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0)
            }
        }

        impl From<$kind> for Nsid {
            fn from(name: $kind) -> Self {
                // The constants were checked at compile time.
                Self::parse(name.0).unwrap_or_else(|_| unreachable!())
            }
        }
    };
}

nsids! {
    Collection, COLLECTIONS:
    /// The collection of the captain record.
    CAPTAIN = "io.atcr.hold.captain",
    /// The collection of crew records.
    CREW = "io.atcr.hold.crew",
    /// The collection of records about the layers of manifests.
    LAYER = "io.atcr.hold.layer",
    /// The collection of statistics of images: numbers of pushes and pulls.
    STATS = "io.atcr.hold.stats",
    /// The collection of manifests, in their owners' repositories.
    MANIFEST = "io.atcr.manifest",
    /// The collection of tags, in their owners' repositories.
    TAG = "io.atcr.tag",
    /// The collection of an account's settings for the registry.
    SAILOR_PROFILE = "io.atcr.sailor.profile",
    /// The collection of stars, by which an account likes a repository.
    STAR = "io.atcr.sailor.star",
    /// The collection of repositories' pages: description and picture.
    REPO_PAGE = "io.atcr.repo.page",
    /// The collection of an account's holds by their URLs, in older repositories.
    LEGACY_HOLD = "io.atcr.hold",
    /// The collection of posts.
    POST = "app.bsky.feed.post",
    /// The collection of the profile.
    PROFILE = "app.bsky.actor.profile",
}

nsids! {
    Method, METHODS:
    /// Starts an upload.
    INITIATE_UPLOAD = "io.atcr.hold.initiateUpload",
    /// Returns the URL to send a part to.
    GET_PART_UPLOAD_URL = "io.atcr.hold.getPartUploadUrl",
    /// Uploads a part.
    UPLOAD_PART = "io.atcr.hold.uploadPart",
    /// Completes an upload: its parts become a blob.
    COMPLETE_UPLOAD = "io.atcr.hold.completeUpload",
    /// Aborts an upload.
    ABORT_UPLOAD = "io.atcr.hold.abortUpload",
    /// Reports that a manifest was pushed or pulled.
    NOTIFY_MANIFEST = "io.atcr.hold.notifyManifest",
    /// Returns an account's usage and quota.
    GET_QUOTA = "io.atcr.hold.getQuota",
    /// Lists the quota tiers.
    LIST_TIERS = "io.atcr.hold.listTiers",
    /// Sets the statistics of an image.
    SET_STATS = "io.atcr.hold.setStats",
    /// Changes the quota tier of a member.
    UPDATE_CREW_TIER = "io.atcr.hold.updateCrewTier",
    /// Exports all records about the caller.
    EXPORT_USER_DATA = "io.atcr.hold.exportUserData",
    /// Deletes all records about the caller.
    DELETE_USER_DATA = "io.atcr.hold.deleteUserData",
    /// Asks to join the crew.
    REQUEST_CREW = "io.atcr.hold.requestCrew",
    /// Searches the repositories that the registry front end knows.
    SEARCH_REPOSITORIES = "io.atcr.appview.searchRepositories",
    /// Lists the repositories that the registry front end knows, in an order.
    LIST_REPOSITORIES = "io.atcr.appview.listRepositories",
    /// Describes the server.
    DESCRIBE_SERVER = "com.atproto.server.describeServer",
    /// Returns the session of a token. The hold calls it at an account's PDS, and does not implement it.
    GET_SESSION = "com.atproto.server.getSession",
    /// Starts a session with a password.
    CREATE_SESSION = "com.atproto.server.createSession",
    /// Returns new tokens for a session.
    REFRESH_SESSION = "com.atproto.server.refreshSession",
    /// Ends a session.
    DELETE_SESSION = "com.atproto.server.deleteSession",
    /// Returns a service token, with which the account calls another service.
    GET_SERVICE_AUTH = "com.atproto.server.getServiceAuth",
    /// Returns the DID that a handle names.
    RESOLVE_HANDLE = "com.atproto.identity.resolveHandle",
    /// Returns the profile of an account.
    GET_PROFILE = "app.bsky.actor.getProfile",
    /// Returns the profiles of several accounts.
    GET_PROFILES = "app.bsky.actor.getProfiles",
    /// Describes the repository.
    DESCRIBE_REPO = "com.atproto.repo.describeRepo",
    /// Returns one record. Also the only method in the registry's OAuth scope, so its tokens have it for every call.
    GET_RECORD = "com.atproto.repo.getRecord",
    /// Lists the records of a collection, in pages.
    LIST_RECORDS = "com.atproto.repo.listRecords",
    /// Creates a record.
    CREATE_RECORD = "com.atproto.repo.createRecord",
    /// Creates or replaces a record.
    PUT_RECORD = "com.atproto.repo.putRecord",
    /// Deletes a record.
    DELETE_RECORD = "com.atproto.repo.deleteRecord",
    /// Applies several writes in one commit.
    APPLY_WRITES = "com.atproto.repo.applyWrites",
    /// Uploads a blob that a record is to refer to.
    UPLOAD_BLOB = "com.atproto.repo.uploadBlob",
    /// Returns a blob's bytes, or their URL.
    SYNC_GET_BLOB = "com.atproto.sync.getBlob",
    /// Returns blocks by CID.
    SYNC_GET_BLOCKS = "com.atproto.sync.getBlocks",
    /// Returns CID and revision of the newest commit.
    SYNC_GET_LATEST_COMMIT = "com.atproto.sync.getLatestCommit",
    /// Returns a record with its proof.
    SYNC_GET_RECORD = "com.atproto.sync.getRecord",
    /// Returns the whole repository.
    SYNC_GET_REPO = "com.atproto.sync.getRepo",
    /// Streams the repository's events.
    SYNC_SUBSCRIBE_REPOS = "com.atproto.sync.subscribeRepos",
    /// Returns whether the repository is active.
    SYNC_GET_REPO_STATUS = "com.atproto.sync.getRepoStatus",
    /// Asks a relay to crawl a host. The hold calls it, and does not implement it.
    REQUEST_CRAWL = "com.atproto.sync.requestCrawl",
    /// Lists the repository's own blobs.
    SYNC_LIST_BLOBS = "com.atproto.sync.listBlobs",
    /// Lists the repositories of this host: one.
    SYNC_LIST_REPOS = "com.atproto.sync.listRepos",
    /// Lists the repositories that have records of a collection. The front end calls it at a relay.
    SYNC_LIST_REPOS_BY_COLLECTION = "com.atproto.sync.listReposByCollection",
}

/// The facet of a post's text that mentions an account.
pub const FACET_MENTION: &str = "app.bsky.richtext.facet#mention";
/// The path of the health check, which is in no namespace.
pub const HEALTH: &str = "_health";

/// Returns `text`, if it has at least three segments of letters and digits; else it does not compile.
const fn nsid(text: &'static str) -> &'static str {
    let bytes = text.as_bytes();
    let (mut at, mut dots, mut segment) = (0, 0, 0);
    while at < bytes.len() {
        if bytes[at] == b'.' {
            assert!(segment > 0, "a segment is empty");
            (dots, segment) = (dots + 1, 0);
        } else {
            assert!(bytes[at].is_ascii_alphanumeric(), "segments are letters and digits");
            segment += 1;
        }
        at += 1;
    }
    assert!(dots >= 2 && segment > 0, "an NSID has at least three segments");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{COLLECTIONS, METHODS};
    use crate::syntax::Nsid;

    #[test]
    fn every_name_is_an_nsid_and_there_once() {
        let names: Vec<_> = METHODS.iter().map(|m| m.as_str()).chain(COLLECTIONS.iter().map(|c| c.as_str())).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert_eq!(Nsid::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn methods_are_named_by_a_verb_and_collections_are_not() {
        const VERBS: [&str; 16] = [
            "abort", "apply", "complete", "create", "delete", "describe", "export", "get", "initiate", "list",
            "notify", "put", "request", "resolve", "search", "set",
        ];
        const MORE_VERBS: [&str; 4] = ["refresh", "subscribe", "update", "upload"];
        let is_verb = |name: &str| {
            let last = name.rsplit('.').next().unwrap();
            VERBS.iter().chain(&MORE_VERBS).any(|verb| {
                last.strip_prefix(verb).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            })
        };
        assert_eq!(METHODS.iter().filter(|name| !is_verb(name)).count(), 0);
        assert_eq!(COLLECTIONS.iter().filter(|name| is_verb(name)).count(), 0);
    }
}
