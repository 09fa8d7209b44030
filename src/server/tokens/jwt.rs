//! JSON Web Tokens: strict parsing of the three parts. Nothing is verified here.
//! <https://www.rfc-editor.org/rfc/rfc7519>

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::strict_json;

/// Limit of a token; a real one has 400 to 1,000 bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A parsed token. Its methods return errors as messages about the token.
pub(super) struct Jwt<'t> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// The text that the signature is made over.
    pub(super) signed: &'t str,
    signature: &'t str,
}

impl<'t> Jwt<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, &'static str> {
        if token.len() > MAX_BYTES {
            return Err("it is longer than 8 KiB");
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it must have three parts");
        };
        let signed = &token[..header.len() + 1 + claims.len()];
        Ok(Self { header: object(header)?, claims: object(claims)?, signed, signature })
    }

    /// Returns the signature; that of both algorithms in use (ES256K, ES256) has 64 bytes.
    pub(super) fn signature(&self) -> Result<[u8; 64], &'static str> {
        decode(self.signature)?.try_into().map_err(|_| "its signature must have 64 bytes")
    }
}

/// Decodes base64url without padding, in its canonical form only.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "its parts must be base64url without padding")
}

fn object(part: &str) -> Result<Map<String, Value>, &'static str> {
    strict_json::object(&decode(part)?).map_err(|_| "its parts must be JSON objects without duplicate names")
}

/// Returns a text claim; `None` when absent.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, &'static str> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err("a claim that must be a text is something else"),
    }
}

/// Returns a time in Unix seconds; `None` when absent.
pub(super) fn time(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, &'static str> {
    match object.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or("a time must be a whole number of seconds"),
    }
}
