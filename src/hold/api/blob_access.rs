//! The permission to read a blob by its CID or digest: anyone may read a blob that a record of the repository refers
//! to, as records are public; others need the permission to read image blobs.

use http::request::Parts;

use super::request::credentials;
use super::state::ApiState;
use crate::gate::ReadPermit;
use crate::pds::PublishedBlob;
use atproto::lexicon::nsid;
use atproto::repo::cid;
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::xrpc::{Error, Query};

/// The permission to read one blob.
pub(super) enum BlobAccess {
    /// A blob that a record refers to.
    Published(PublishedBlob),
    /// An image blob, which this account may read; `None` for an anonymous reader.
    Image(ReadPermit, Option<Did>),
}

impl BlobAccess {
    pub(super) async fn of(state: &ApiState, head: &Parts, caller: &Caller) -> Result<Self, Error> {
        // A text that is not a CID is refused later, after the permit: an unauthorized caller learns nothing from it.
        let cid = Query::of(head).get("cid").ok().flatten().and_then(|text| cid::parse(text).ok());
        if let Some(cid) = cid
            && let Some(blob) = state.hold.pds.published_blob(cid).await?
        {
            return Ok(Self::Published(blob));
        }
        let (permit, account) =
            state.gate.read(credentials(head, caller, nsid::SYNC_GET_BLOB.as_str(), state.hold.now_s())?).await?;
        Ok(Self::Image(permit, account))
    }

    /// Returns the account of the reader, if it is known.
    pub(super) fn account(&self) -> Option<&Did> {
        match self {
            Self::Published(_) => None,
            Self::Image(_, account) => account.as_ref(),
        }
    }
}
