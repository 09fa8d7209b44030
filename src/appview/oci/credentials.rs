//! Credentials of a request: `Basic` at the token endpoint, `Bearer` everywhere else.

use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::refusal::OciError;

/// Longest `Authorization` header; a longer one is refused.
const MAX_BYTES: usize = 32 * 1024;

/// A user and a password.
pub(super) struct Password {
    /// The user name as the client sends it; may be empty.
    pub(super) user: String,
    pub(super) secret: Zeroizing<String>,
}

/// Returns the credentials of the `Authorization` header, which must be there at most once and have this scheme, in any
/// case.
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<Option<&'h str>, OciError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() <= MAX_BYTES && values.next().is_none());
    let parts = text.and_then(|text| text.split_once(' ')).filter(|(named, _)| named.eq_ignore_ascii_case(scheme));
    let refused = || OciError::wrong_credentials(format!("the Authorization header must be {scheme}, once"));
    parts.map(|(_, value)| Some(value.trim())).ok_or_else(refused)
}

/// Returns the bearer token of a request, if it has one.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, OciError> {
    credentials(headers, "Bearer")
}

/// Returns the user and the password of a request, if it has them.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<Password>, OciError> {
    let Some(text) = credentials(headers, "Basic")? else { return Ok(None) };
    let malformed = || OciError::wrong_credentials("the user and the password cannot be read");
    let bytes = BASE64.decode(text.as_bytes()).map_err(|_| malformed())?;
    let text = Zeroizing::new(String::from_utf8(bytes).map_err(|_| malformed())?);
    let (user, secret) = split(&text).ok_or_else(malformed)?;
    Ok(Some(Password { user: user.to_owned(), secret: Zeroizing::new(secret.to_owned()) }))
}

/// Splits user and password at the first colon; a user that is a DID has two colons of its own.
fn split(text: &str) -> Option<(&str, &str)> {
    let colon = if text.starts_with("did:") { 2 } else { 0 };
    let (at, _) = text.match_indices(':').nth(colon)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_did_may_be_the_user() {
        assert_eq!(split("alice.test:a:b"), Some(("alice.test", "a:b")));
        assert_eq!(split(":refresh"), Some(("", "refresh")));
        assert_eq!(split("did:plc:abc:a:b"), Some(("did:plc:abc", "a:b")));
        assert_eq!(split("did:plc:abc"), None);
        assert_eq!(split("alice"), None);
    }
}
