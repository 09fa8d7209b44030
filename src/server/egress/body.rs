//! The body of a request or a response, as one type.

use std::error::Error;

use bytes::Bytes;
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};

use super::error::root_cause;

/// The body of a request or a response.
pub type ClientBody = UnsyncBoxBody<Bytes, BrokenBody>;

/// The error of a body that broke off: the root cause, without an address in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BrokenBody(pub String);

/// Boxes any body; it is still streamed.
pub fn boxed_body<B>(body: B) -> ClientBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Error + 'static,
{
    body.map_err(|error| BrokenBody(root_cause(&error))).boxed_unsync()
}

/// Returns an empty body.
#[must_use]
pub fn empty_body() -> ClientBody {
    boxed_body(Empty::new())
}

/// Returns a body of `bytes`.
pub fn full_body(bytes: impl Into<Bytes>) -> ClientBody {
    boxed_body(Full::from(bytes.into()))
}
