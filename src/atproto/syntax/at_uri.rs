//! AT URIs: addresses of repositories and records. <https://atproto.com/specs/at-uri-scheme>

use super::{Did, Handle, Nsid, RecordKey};

const MAX_BYTES: usize = 8 * 1024;

text_newtype!(
    /// An AT URI: `at://<did or handle>[/<collection>[/<rkey>]]`, without query or fragment.
    AtUri,
    "AT URI",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_BYTES {
        return Err("longer than 8 KiB");
    }
    let rest = text.strip_prefix("at://").ok_or("it must begin with \"at://\"")?;
    let mut parts = rest.splitn(3, '/');
    let authority = parts.next().unwrap_or_default();
    if Did::parse(authority).is_err() && Handle::parse(authority).is_err() {
        return Err("its authority must be a DID or a handle");
    }
    match parts.next() {
        None => return Ok(()),
        Some(collection) => Nsid::parse(collection).map_err(|_| "its collection must be an NSID")?,
    };
    match parts.next() {
        None => Ok(()),
        Some(rkey) => RecordKey::parse(rkey).map(|_| ()).map_err(|_| "its last part must be a record key"),
    }
}

impl AtUri {
    /// Returns the AT URI of a record.
    #[must_use]
    pub fn record(repo: &Did, collection: &Nsid, rkey: &RecordKey) -> Self {
        Self(format!("at://{repo}/{collection}/{rkey}").into())
    }
}
