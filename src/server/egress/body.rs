//! Bodies of requests and answers, as one type.

use std::error::Error;

use bytes::Bytes;
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

use super::error::root_cause;

/// A body on its way out or in.
pub type ClientBody = UnsyncBoxBody<Bytes, BrokenBody>;

/// Why a body did not come whole: the root cause, in which no address stands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BrokenBody(pub String);

/// Any body as the one type; it goes on streaming.
pub fn boxed_body<B>(body: B) -> ClientBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Error + 'static,
{
    body.map_err(|error| BrokenBody(root_cause(&error))).boxed_unsync()
}

/// No body.
#[must_use]
pub fn empty_body() -> ClientBody {
    boxed_body(Empty::new())
}

/// A body out of memory.
pub fn full_body(bytes: impl Into<Bytes>) -> ClientBody {
    boxed_body(Full::from(bytes.into()))
}
