//! Every NSID the hold knows, once: collections and methods, each as a constant of its own type.

use std::ops::Deref;

use crate::syntax::Nsid;

/// A collection of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(&'static str);

/// An XRPC method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(&'static str);

/// Constants of one type, and the list of all of them. A text that is no NSID does not compile.
macro_rules! nsids {
    ($kind:ident, $all:ident: $($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $($(#[$doc])* pub const $name: $kind = $kind(nsid($text));)*

        #[doc = concat!("Every [`", stringify!($kind), "`].")]
        pub const $all: &[$kind] = &[$($name),*];

        impl $kind {
            /// The NSID as text.
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
                // The constants were checked when they were compiled.
                Self::parse(name.0).unwrap_or_else(|_| unreachable!())
            }
        }
    };
}

nsids! {
    Collection, COLLECTIONS:
    /// The captain record's collection.
    CAPTAIN = "io.atcr.hold.captain",
    /// The crew records' collection.
    CREW = "io.atcr.hold.crew",
    /// The collection of layers that manifests have.
    LAYER = "io.atcr.hold.layer",
    /// The collection of an image's pushes and pulls.
    STATS = "io.atcr.hold.stats",
    /// Manifests, in their owners' repositories.
    MANIFEST = "io.atcr.manifest",
    /// Tags of manifests, beside them.
    TAG = "io.atcr.tag",
    /// What an account has decided about the registry.
    SAILOR_PROFILE = "io.atcr.sailor.profile",
    /// Repositories that an account likes.
    STAR = "io.atcr.sailor.star",
    /// How the page of a repository shows itself.
    REPO_PAGE = "io.atcr.repo.page",
    /// Holds that an account has, in older repositories: their URLs.
    LEGACY_HOLD = "io.atcr.hold",
    /// The collection of posts.
    POST = "app.bsky.feed.post",
    /// The hold's profile collection.
    PROFILE = "app.bsky.actor.profile",
}

nsids! {
    Method, METHODS:
    /// Begins an upload.
    INITIATE_UPLOAD = "io.atcr.hold.initiateUpload",
    /// Answers where a part goes.
    GET_PART_UPLOAD_URL = "io.atcr.hold.getPartUploadUrl",
    /// Takes the bytes of a part.
    UPLOAD_PART = "io.atcr.hold.uploadPart",
    /// Makes the parts a blob.
    COMPLETE_UPLOAD = "io.atcr.hold.completeUpload",
    /// Gives an upload up.
    ABORT_UPLOAD = "io.atcr.hold.abortUpload",
    /// Says that a manifest was pushed or pulled.
    NOTIFY_MANIFEST = "io.atcr.hold.notifyManifest",
    /// How much an account has, and may have.
    GET_QUOTA = "io.atcr.hold.getQuota",
    /// The quota tiers.
    LIST_TIERS = "io.atcr.hold.listTiers",
    /// Sets the counts of an image.
    SET_STATS = "io.atcr.hold.setStats",
    /// Puts a member into another tier.
    UPDATE_CREW_TIER = "io.atcr.hold.updateCrewTier",
    /// All records about the caller.
    EXPORT_USER_DATA = "io.atcr.hold.exportUserData",
    /// Deletes all records about the caller.
    DELETE_USER_DATA = "io.atcr.hold.deleteUserData",
    /// Joins the crew.
    REQUEST_CREW = "io.atcr.hold.requestCrew",
    /// Repositories that the registry front end finds by words.
    SEARCH_REPOSITORIES = "io.atcr.appview.searchRepositories",
    /// Repositories that it knows, in an order.
    LIST_REPOSITORIES = "io.atcr.appview.listRepositories",
    /// What this server is.
    DESCRIBE_SERVER = "com.atproto.server.describeServer",
    /// Whose session a token is. The hold calls it at an account's PDS, and does not answer it.
    GET_SESSION = "com.atproto.server.getSession",
    /// Begins a session with a password.
    CREATE_SESSION = "com.atproto.server.createSession",
    /// Makes new tokens of a session.
    REFRESH_SESSION = "com.atproto.server.refreshSession",
    /// Ends a session.
    DELETE_SESSION = "com.atproto.server.deleteSession",
    /// Makes a token that speaks for the account to another service.
    GET_SERVICE_AUTH = "com.atproto.server.getServiceAuth",
    /// The DID that a handle names.
    RESOLVE_HANDLE = "com.atproto.identity.resolveHandle",
    /// How an account shows itself.
    GET_PROFILE = "app.bsky.actor.getProfile",
    /// The same of several accounts.
    GET_PROFILES = "app.bsky.actor.getProfiles",
    /// What the repository holds.
    DESCRIBE_REPO = "com.atproto.repo.describeRepo",
    /// One record. Also the only method the registry's OAuth scope names, so its tokens carry it for every call.
    GET_RECORD = "com.atproto.repo.getRecord",
    /// Records of a collection, in pages.
    LIST_RECORDS = "com.atproto.repo.listRecords",
    /// Adds a record.
    CREATE_RECORD = "com.atproto.repo.createRecord",
    /// Adds or replaces a record.
    PUT_RECORD = "com.atproto.repo.putRecord",
    /// Removes a record.
    DELETE_RECORD = "com.atproto.repo.deleteRecord",
    /// Several writes in one commit.
    APPLY_WRITES = "com.atproto.repo.applyWrites",
    /// Takes a blob that a record is to refer to.
    UPLOAD_BLOB = "com.atproto.repo.uploadBlob",
    /// A blob's bytes or where they are.
    SYNC_GET_BLOB = "com.atproto.sync.getBlob",
    /// Blocks by CID.
    SYNC_GET_BLOCKS = "com.atproto.sync.getBlocks",
    /// CID and revision of the newest commit.
    SYNC_GET_LATEST_COMMIT = "com.atproto.sync.getLatestCommit",
    /// A record with its proof.
    SYNC_GET_RECORD = "com.atproto.sync.getRecord",
    /// The whole repository.
    SYNC_GET_REPO = "com.atproto.sync.getRepo",
    /// The repository's events as they happen.
    SYNC_SUBSCRIBE_REPOS = "com.atproto.sync.subscribeRepos",
    /// Whether the repository is active.
    SYNC_GET_REPO_STATUS = "com.atproto.sync.getRepoStatus",
    /// Has a relay follow a host. The hold calls it, and does not answer it.
    REQUEST_CRAWL = "com.atproto.sync.requestCrawl",
    /// The repository's own blobs.
    SYNC_LIST_BLOBS = "com.atproto.sync.listBlobs",
    /// The repositories of this host: one.
    SYNC_LIST_REPOS = "com.atproto.sync.listRepos",
    /// The repositories that have records of a collection. The front end calls it at a relay.
    SYNC_LIST_REPOS_BY_COLLECTION = "com.atproto.sync.listReposByCollection",
}

/// The part of a post's text that names an account.
pub const FACET_MENTION: &str = "app.bsky.richtext.facet#mention";
/// Health of the server, outside any namespace.
pub const HEALTH: &str = "_health";

/// `text`, when it has three segments or more of letters and digits; else it does not compile.
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
