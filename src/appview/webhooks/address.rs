//! Parsing of a receiver's URL, as a user typed it.

use url::{Host, Url};

use super::WebhooksError;

/// Longest URL.
const MAX_BYTES: usize = 2048;

/// Parses a URL: `https`, in test mode `http` as well. Whether its host may be connected to is checked by the HTTP
/// client.
pub(super) fn parse(text: &str, test_mode: bool) -> Result<Url, WebhooksError> {
    let wrong = |reason: &str| Err(WebhooksError::Address(reason.to_owned()));
    let text = text.trim();
    let Ok(url) = Url::parse(text) else { return wrong("it must be like https://ci.example.org/hooks/1") };
    if url.as_str().len() > MAX_BYTES {
        return wrong("it has more than 2,048 bytes");
    }
    match url.scheme() {
        "https" => {}
        "http" if test_mode => {}
        _ => return wrong("it must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "it must have no user and no password: deliveries are signed, and a path or a query may have a token",
        );
    }
    if url.fragment().is_some() {
        return wrong("it must have no fragment (#)");
    }
    match url.host() {
        None | Some(Host::Domain("")) => wrong("it has no host"),
        Some(_) => Ok(url),
    }
}

/// Returns the host of a URL, with its port if it has one: the part that others may see, for a path may be a secret.
#[must_use]
pub(super) fn host(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| url.authority().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{host, parse};

    #[test]
    fn an_address_is_https_and_has_no_password() {
        let read = |text: &str| parse(text, false).map(|url| url.to_string()).ok();
        assert_eq!(read(" https://ci.example.org/a?b=c ").as_deref(), Some("https://ci.example.org/a?b=c"));
        assert_eq!(read("https://EXAMPLE.org:8443").as_deref(), Some("https://example.org:8443/"));
        // Different spellings of one address give the same URL.
        assert_eq!(read("https://0x7f.1/").as_deref(), Some("https://127.0.0.1/"));
        let long = format!("https://a.example/{}", "x".repeat(2048));
        for text in [
            "",
            "ci.example.org",
            "http://ci.example.org/",
            "ftp://ci.example.org/",
            "file:///etc/passwd",
            "https://user@ci.example.org/",
            "https://:word@ci.example.org/",
            "https://ci.example.org/#x",
            "https://",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(parse("http://localhost:1/", true).is_ok());
        assert_eq!(host("https://ci.example.org:8443/secret?token=x"), "ci.example.org:8443");
    }
}
