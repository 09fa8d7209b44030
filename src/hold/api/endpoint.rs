//! The endpoint table: every path, its HTTP methods, and the access that it requires.
//!
//! The kind of handler determines the access: a handler that takes a [`WritePermit`] cannot be in a row that anyone may
//! call. XRPC methods are named by NSID, other paths begin with a slash.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::admission::Cost;
use super::blob_access::BlobAccess;
use super::part_access::PartAccess;
use super::paths::BLOBS_PREFIX;
use super::request::{COMPLETE_BYTES, MANIFEST_BYTES};
use super::state::ApiState;
use super::xrpc::{atcr_hold, atproto_identity, atproto_repo, atproto_server, atproto_sync, bsky_actor};
use super::{blob_bytes, page, well_known};
use crate::gate::{AccountPermit, AdminPermit, ReadPermit, SignedRead, WritePermit};
use atproto::lexicon::nsid;
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, Route, Verbs};

pub(super) type Reply = BoxFuture<'static, Result<Response, Error>>;
pub(super) type Shared = Arc<ApiState>;

/// The access that an endpoint requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Open,
    /// Anyone for a blob of a record, and for all blobs of a public hold; else crew that may read.
    Blob,
    /// A signed URL for this blob.
    SignedRead,
    /// Crew that may write.
    Write,
    /// A signed URL for this part, or crew that may write.
    Part,
    /// Any authenticated account.
    Account,
    /// The captain, or crew that may manage crew.
    Admin,
}

/// The handler of an endpoint; its arguments prove the access.
pub(super) enum Handler {
    Open(fn(Shared, Request) -> Reply),
    Blob(fn(Shared, BlobAccess, Request) -> Reply),
    SignedRead(fn(Shared, ReadPermit, SignedRead, Request) -> Reply),
    Write(fn(Shared, WritePermit, Request) -> Reply),
    Part(fn(Shared, PartAccess, Request) -> Reply),
    Account(fn(Shared, AccountPermit, Request) -> Reply),
    Admin(fn(Shared, AdminPermit, Request) -> Reply),
}

/// One row of the table.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) verbs: Verbs,
    pub(super) handler: Handler,
    /// The shared resource that it needs.
    pub(super) cost: Cost,
    /// Limit of a body that is read into memory; 0 for endpoints without a body, or with a streamed one.
    pub(super) body_bytes: u64,
    /// Whether it may make the database grow: when the disk is full, only the captain may call it.
    pub(super) grows: bool,
}

impl Route for Endpoint {
    fn path(&self) -> &'static str {
        self.path
    }

    fn verbs(&self) -> Verbs {
        self.verbs
    }
}

impl Endpoint {
    /// Returns the endpoint with another cost.
    const fn at(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// Returns the endpoint with a body of at most `body_bytes` in memory; 0: the body is streamed.
    const fn body(self, body_bytes: u64) -> Self {
        Self { body_bytes, ..self }
    }

    /// Returns the endpoint as one that makes the database grow.
    const fn grows(self) -> Self {
        Self { grows: true, ..self }
    }

    fn access(&self) -> Access {
        match self.handler {
            Handler::Open(_) => Access::Open,
            Handler::Blob(_) => Access::Blob,
            Handler::SignedRead(_) => Access::SignedRead,
            Handler::Write(_) => Access::Write,
            Handler::Part(_) => Access::Part,
            Handler::Account(_) => Access::Account,
            Handler::Admin(_) => Access::Admin,
        }
    }
}

/// Returns every endpoint: path or NSID, methods, and required access.
pub fn endpoints() -> impl Iterator<Item = (&'static str, Verbs, Access)> {
    TABLE.iter().map(|endpoint| (endpoint.path, endpoint.verbs, endpoint.access()))
}

const fn get(path: &'static str, handler: Handler) -> Endpoint {
    Endpoint { path, verbs: Verbs::Get, handler, cost: Cost::Light, body_bytes: 0, grows: false }
}

/// Returns the row of an XRPC method that reads.
const fn query(method: nsid::Method, handler: Handler) -> Endpoint {
    get(method.as_str(), handler).at(Cost::Read)
}

/// Returns the row of an XRPC method that writes.
const fn procedure(method: nsid::Method, handler: Handler) -> Endpoint {
    Endpoint {
        path: method.as_str(),
        verbs: Verbs::Post,
        handler,
        cost: Cost::Write,
        body_bytes: JSON_BYTES,
        grows: false,
    }
}

pub(super) static TABLE: &[Endpoint] = &[
    get("/", Handler::Open(|s, r| Box::pin(page::handle(s, r)))).at(Cost::Read),
    get("/.well-known/did.json", Handler::Open(|s, r| Box::pin(well_known::did_document(s, r)))),
    get("/.well-known/atproto-did", Handler::Open(|s, r| Box::pin(well_known::atproto_did(s, r)))),
    get(BLOBS_PREFIX, Handler::SignedRead(|s, p, u, r| Box::pin(blob_bytes::handle(s, p, u, r)))),
    get(nsid::HEALTH, Handler::Open(|s, r| Box::pin(well_known::health(s, r)))),
    query(nsid::DESCRIBE_SERVER, Handler::Open(|s, r| Box::pin(atproto_server::describe_server::handle(s, r))))
        .at(Cost::Light),
    query(nsid::RESOLVE_HANDLE, Handler::Open(|s, r| Box::pin(atproto_identity::resolve_handle::handle(s, r))))
        .at(Cost::Light),
    query(nsid::GET_PROFILE, Handler::Open(|s, r| Box::pin(bsky_actor::get_profile::handle(s, r)))),
    query(nsid::GET_PROFILES, Handler::Open(|s, r| Box::pin(bsky_actor::get_profiles::handle(s, r)))),
    query(nsid::DESCRIBE_REPO, Handler::Open(|s, r| Box::pin(atproto_repo::describe_repo::handle(s, r)))),
    query(nsid::GET_RECORD, Handler::Open(|s, r| Box::pin(atproto_repo::get_record::handle(s, r)))),
    query(nsid::LIST_RECORDS, Handler::Open(|s, r| Box::pin(atproto_repo::list_records::handle(s, r)))),
    procedure(nsid::CREATE_RECORD, Handler::Admin(|s, p, r| Box::pin(atproto_repo::create_record::handle(s, p, r))))
        .grows(),
    procedure(nsid::PUT_RECORD, Handler::Admin(|s, p, r| Box::pin(atproto_repo::put_record::handle(s, p, r)))).grows(),
    procedure(nsid::DELETE_RECORD, Handler::Admin(|s, p, r| Box::pin(atproto_repo::delete_record::handle(s, p, r)))),
    procedure(nsid::APPLY_WRITES, Handler::Admin(|s, p, r| Box::pin(atproto_repo::apply_writes::handle(s, p, r))))
        .grows(),
    procedure(nsid::UPLOAD_BLOB, Handler::Admin(|s, p, r| Box::pin(atproto_repo::upload_blob::handle(s, p, r))))
        .at(Cost::Light)
        .body(0)
        .grows(),
    query(nsid::SYNC_GET_BLOB, Handler::Blob(|s, a, r| Box::pin(atproto_sync::get_blob::handle(s, a, r))))
        .at(Cost::Light),
    query(nsid::SYNC_GET_BLOCKS, Handler::Open(|s, r| Box::pin(atproto_sync::get_blocks::handle(s, r)))),
    query(nsid::SYNC_GET_LATEST_COMMIT, Handler::Open(|s, r| Box::pin(atproto_sync::get_latest_commit::handle(s, r)))),
    query(nsid::SYNC_GET_RECORD, Handler::Open(|s, r| Box::pin(atproto_sync::get_record::handle(s, r)))),
    query(nsid::SYNC_GET_REPO, Handler::Open(|s, r| Box::pin(atproto_sync::get_repo::handle(s, r)))).at(Cost::Export),
    query(nsid::SYNC_GET_REPO_STATUS, Handler::Open(|s, r| Box::pin(atproto_sync::get_repo_status::handle(s, r)))),
    query(nsid::SYNC_LIST_BLOBS, Handler::Open(|s, r| Box::pin(atproto_sync::list_blobs::handle(s, r)))),
    query(nsid::SYNC_LIST_REPOS, Handler::Open(|s, r| Box::pin(atproto_sync::list_repos::handle(s, r)))),
    query(nsid::SYNC_SUBSCRIBE_REPOS, Handler::Open(|s, r| Box::pin(atproto_sync::subscribe_repos::handle(s, r))))
        .at(Cost::Light),
    procedure(nsid::REQUEST_CREW, Handler::Account(|s, p, r| Box::pin(atcr_hold::request_crew::handle(s, p, r))))
        .grows(),
    procedure(nsid::INITIATE_UPLOAD, Handler::Write(|s, p, r| Box::pin(atcr_hold::initiate_upload::handle(s, p, r))))
        .grows(),
    procedure(
        nsid::GET_PART_UPLOAD_URL,
        Handler::Write(|s, p, r| Box::pin(atcr_hold::get_part_upload_url::handle(s, p, r))),
    )
    .grows(),
    Endpoint {
        path: nsid::UPLOAD_PART.as_str(),
        verbs: Verbs::PutOrPost,
        handler: Handler::Part(|s, a, r| Box::pin(atcr_hold::upload_part::handle(s, a, r))),
        cost: Cost::Light,
        body_bytes: 0,
        grows: true,
    },
    procedure(nsid::COMPLETE_UPLOAD, Handler::Write(|s, p, r| Box::pin(atcr_hold::complete_upload::handle(s, p, r))))
        .at(Cost::Proof)
        .body(COMPLETE_BYTES),
    procedure(nsid::ABORT_UPLOAD, Handler::Write(|s, p, r| Box::pin(atcr_hold::abort_upload::handle(s, p, r)))),
    procedure(nsid::NOTIFY_MANIFEST, Handler::Account(|s, p, r| Box::pin(atcr_hold::notify_manifest::handle(s, p, r))))
        .body(MANIFEST_BYTES)
        .grows(),
    query(nsid::GET_QUOTA, Handler::Open(|s, r| Box::pin(atcr_hold::get_quota::handle(s, r)))),
    query(nsid::LIST_TIERS, Handler::Open(|s, r| Box::pin(atcr_hold::list_tiers::handle(s, r)))).at(Cost::Light),
    procedure(nsid::SET_STATS, Handler::Admin(|s, p, r| Box::pin(atcr_hold::set_stats::handle(s, p, r)))).grows(),
    procedure(
        nsid::UPDATE_CREW_TIER,
        Handler::Account(|s, p, r| Box::pin(atcr_hold::update_crew_tier::handle(s, p, r))),
    )
    .grows(),
    query(nsid::EXPORT_USER_DATA, Handler::Account(|s, p, r| Box::pin(atcr_hold::export_user_data::handle(s, p, r))))
        .at(Cost::UserData),
    procedure(
        nsid::DELETE_USER_DATA,
        Handler::Account(|s, p, r| Box::pin(atcr_hold::delete_user_data::handle(s, p, r))),
    ),
];
