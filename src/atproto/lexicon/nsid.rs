//! Every NSID the hold knows, once.

/// The captain record's collection.
pub const CAPTAIN: &str = "io.atcr.hold.captain";
/// The crew records' collection.
pub const CREW: &str = "io.atcr.hold.crew";
/// The collection of layers that manifests have.
pub const LAYER: &str = "io.atcr.hold.layer";
/// The collection of an image's pushes and pulls.
pub const STATS: &str = "io.atcr.hold.stats";
/// Manifests, in their owners' repositories.
pub const MANIFEST: &str = "io.atcr.manifest";
/// The collection of posts.
pub const POST: &str = "app.bsky.feed.post";
/// The part of a post's text that names an account.
pub const FACET_MENTION: &str = "app.bsky.richtext.facet#mention";
/// The hold's profile collection.
pub const PROFILE: &str = "app.bsky.actor.profile";

/// Health of the server, outside any namespace.
pub const HEALTH: &str = "_health";
/// Begins an upload.
pub const INITIATE_UPLOAD: &str = "io.atcr.hold.initiateUpload";
/// Answers where a part goes.
pub const GET_PART_UPLOAD_URL: &str = "io.atcr.hold.getPartUploadUrl";
/// Takes the bytes of a part.
pub const UPLOAD_PART: &str = "io.atcr.hold.uploadPart";
/// Makes the parts a blob.
pub const COMPLETE_UPLOAD: &str = "io.atcr.hold.completeUpload";
/// Gives an upload up.
pub const ABORT_UPLOAD: &str = "io.atcr.hold.abortUpload";
/// Says that a manifest was pushed or pulled.
pub const NOTIFY_MANIFEST: &str = "io.atcr.hold.notifyManifest";
/// How much an account has, and may have.
pub const GET_QUOTA: &str = "io.atcr.hold.getQuota";
/// The quota tiers.
pub const LIST_TIERS: &str = "io.atcr.hold.listTiers";
/// Sets the counts of an image.
pub const SET_STATS: &str = "io.atcr.hold.setStats";
/// Puts a member into another tier.
pub const UPDATE_CREW_TIER: &str = "io.atcr.hold.updateCrewTier";
/// All records about the caller.
pub const EXPORT_USER_DATA: &str = "io.atcr.hold.exportUserData";
/// Deletes all records about the caller.
pub const DELETE_USER_DATA: &str = "io.atcr.hold.deleteUserData";
/// Joins the crew.
pub const REQUEST_CREW: &str = "io.atcr.hold.requestCrew";

/// What this server is.
pub const DESCRIBE_SERVER: &str = "com.atproto.server.describeServer";
/// Whose session a token is. The hold calls it at an account's PDS, and does not answer it.
pub const GET_SESSION: &str = "com.atproto.server.getSession";
/// The DID that a handle names.
pub const RESOLVE_HANDLE: &str = "com.atproto.identity.resolveHandle";
/// How an account shows itself.
pub const GET_PROFILE: &str = "app.bsky.actor.getProfile";
/// The same of several accounts.
pub const GET_PROFILES: &str = "app.bsky.actor.getProfiles";
/// What the repository holds.
pub const DESCRIBE_REPO: &str = "com.atproto.repo.describeRepo";
/// One record. Also the only method the registry's OAuth scope names, so its tokens carry it for every call.
pub const GET_RECORD: &str = "com.atproto.repo.getRecord";
/// Records of a collection, in pages.
pub const LIST_RECORDS: &str = "com.atproto.repo.listRecords";
/// Adds a record.
pub const CREATE_RECORD: &str = "com.atproto.repo.createRecord";
/// Adds or replaces a record.
pub const PUT_RECORD: &str = "com.atproto.repo.putRecord";
/// Removes a record.
pub const DELETE_RECORD: &str = "com.atproto.repo.deleteRecord";
/// Several writes in one commit.
pub const APPLY_WRITES: &str = "com.atproto.repo.applyWrites";
/// Takes a blob that a record is to refer to.
pub const UPLOAD_BLOB: &str = "com.atproto.repo.uploadBlob";
/// A blob's bytes or where they are.
pub const SYNC_GET_BLOB: &str = "com.atproto.sync.getBlob";
/// Blocks by CID.
pub const SYNC_GET_BLOCKS: &str = "com.atproto.sync.getBlocks";
/// CID and revision of the newest commit.
pub const SYNC_GET_LATEST_COMMIT: &str = "com.atproto.sync.getLatestCommit";
/// A record with its proof.
pub const SYNC_GET_RECORD: &str = "com.atproto.sync.getRecord";
/// The whole repository.
pub const SYNC_GET_REPO: &str = "com.atproto.sync.getRepo";
/// The repository's events as they happen.
pub const SYNC_SUBSCRIBE_REPOS: &str = "com.atproto.sync.subscribeRepos";
/// Whether the repository is active.
pub const SYNC_GET_REPO_STATUS: &str = "com.atproto.sync.getRepoStatus";
/// Has a relay follow a host. The hold calls it, and does not answer it.
pub const REQUEST_CRAWL: &str = "com.atproto.sync.requestCrawl";
/// The repository's own blobs.
pub const SYNC_LIST_BLOBS: &str = "com.atproto.sync.listBlobs";
/// The repositories of this host: one.
pub const SYNC_LIST_REPOS: &str = "com.atproto.sync.listRepos";
