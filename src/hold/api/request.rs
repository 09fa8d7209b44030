//! What a request says: query parameters, tokens and JSON bodies, checked.

use http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::gate::RequestCredentials;
use atproto::lexicon::error as name;
use atproto::repo::{Cid, cid};
use atproto::syntax::{Did, MediaType, Nsid, RecordKey};
use server::tokens::Presented;
use server::wire::{Request, RequestBody};

/// Bytes of a JSON body; record methods are the largest, and one record of crew is below 10 kB.
pub(super) const JSON_BYTES: u64 = 256 * 1024;
/// completeUpload lists up to 10,000 parts of about 150 bytes each.
pub(super) const COMPLETE_BYTES: u64 = 2 * 1024 * 1024;

/// Query parameters, decoded, in order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(head: &Parts) -> Self {
        let text = head.uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter that is there once. Present twice is an error, so that no two readers pick different ones.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Error::invalid(format!("query parameter {name} is given twice")));
        }
        Ok(first)
    }

    /// Every value of a parameter.
    pub(super) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Error> {
        self.get(name)?
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::invalid(format!("query parameter {name} is required")))
    }

    pub(super) fn collection(&self) -> Result<Nsid, Error> {
        Nsid::parse(self.required("collection")?).map_err(|e| Error::invalid(format!("collection is {e}")))
    }

    pub(super) fn rkey(&self) -> Result<RecordKey, Error> {
        RecordKey::parse(self.required("rkey")?).map_err(|e| Error::invalid(format!("rkey is {e}")))
    }

    /// A number from 1 to `max`, or `default` when absent.
    pub(super) fn limit(&self, default: u32, max: u32) -> Result<u32, Error> {
        let Some(text) = self.get("limit")? else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| Error::invalid(format!("limit must be a number from 1 to {max}")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(format!("{name} must be true or false"))),
        }
    }
}

/// A CID in a request.
pub(super) fn parse_cid(name: &str, text: &str) -> Result<Cid, Error> {
    cid::parse(text).map_err(|e| Error::invalid(format!("{name}: {e}")))
}

/// The repository a request names must be ours, by DID or handle.
pub(super) fn check_repo(text: &str, did: &Did, handle: Option<&str>) -> Result<(), Error> {
    if text == did.as_str() || handle.is_some_and(|handle| handle.eq_ignore_ascii_case(text)) {
        Ok(())
    } else {
        Err(Error::repo_not_found())
    }
}

/// The caller's token for a call of `method`.
pub(super) fn credentials<'h>(
    head: &'h Parts,
    method: &'static str,
    now_s: i64,
) -> Result<RequestCredentials<'h>, Error> {
    let values = |name: &str| head.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let token = Presented::of(values("authorization"), values("dpop"))?;
    Ok(RequestCredentials { token, method, now_s })
}

/// Reads a JSON body of at most `limit_bytes`.
pub(super) async fn json<T: DeserializeOwned>(request: Request, limit_bytes: u64) -> Result<T, Error> {
    check_json_type(&request.head)?;
    parse_json(&collect(request.body, limit_bytes).await?)
}

/// Like [`json`], where an empty body stands for the default.
pub(super) async fn json_or_default<T: DeserializeOwned + Default>(request: Request) -> Result<T, Error> {
    let bytes = collect(request.body, JSON_BYTES).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    check_json_type(&request.head)?;
    parse_json(&bytes)
}

async fn collect(body: RequestBody, limit_bytes: u64) -> Result<bytes::Bytes, Error> {
    Ok(body.collect(limit_bytes).await?)
}

/// The media type of a body that may have any.
pub(super) fn media_type(head: &Parts) -> Result<MediaType, Error> {
    if !head.headers.contains_key(http::header::CONTENT_TYPE) {
        return Ok(MediaType::octet_stream());
    }
    let named = MediaType::of_header(header(head, "content-type").unwrap_or_default());
    named.map_err(|e| Error::new(http::StatusCode::BAD_REQUEST, name::INVALID_MIME_TYPE, format!("Content-Type: {e}")))
}

fn check_json_type(head: &Parts) -> Result<(), Error> {
    let kind = header(head, "content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Error::not_json()) }
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::invalid(format!("the body is not what this method takes: {e}")))
}

/// A header that is there once, as text.
pub(super) fn header<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    let mut values = head.headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok()).flatten()
}

/// A JSON number that is a part number, or its refusal.
pub(super) fn part_number(value: &serde_json::Value) -> Result<crate::blobs::PartNumber, Error> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    Ok(crate::blobs::PartNumber::new(number)?)
}
