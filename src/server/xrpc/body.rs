//! JSON bodies, and headers that must not be repeated.

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::wire::Request;

/// Limit of a JSON body; those of record methods are the largest, and one record of crew is below 10 kB.
pub const JSON_BYTES: u64 = 256 * 1024;

/// Reads a JSON body of at most `limit_bytes`.
///
/// # Errors
/// 415 for another media type, 413 beyond the limit, 408 and 400 for a body that does not arrive as announced, 400 for
/// JSON that is not a `T`.
pub async fn json<T: DeserializeOwned>(request: Request, limit_bytes: u64) -> Result<T, Error> {
    check_type(&request.head)?;
    parse(&request.body.collect(limit_bytes).await?)
}

/// Reads a JSON body of at most [`JSON_BYTES`]; an empty one stands for the default.
///
/// # Errors
/// As [`json`].
pub async fn json_or_default<T: DeserializeOwned + Default>(request: Request) -> Result<T, Error> {
    let bytes = request.body.collect(JSON_BYTES).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    check_type(&request.head)?;
    parse(&bytes)
}

fn check_type(head: &Parts) -> Result<(), Error> {
    let kind = header(head, "content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Error::not_json()) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    crate::json::parse(bytes).map_err(|e| Error::invalid(format!("the body is not what this method takes: {e}")))
}

/// Returns a header as text, if it is there exactly once.
#[must_use]
pub fn header<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    let mut values = head.headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok()).flatten()
}
