//! The page that a sign-in returns to: the one that the person came from.
//!
//! It travels in a link, in a form and in the row of the sign-in. A stranger can write such a link, so only the path of a
//! page of ours is taken: a redirect there leads nowhere else, and a page changes nothing when it is shown.

use http::Method;
use http::header::REFERER;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::{Endpoint, Web, site};
use crate::devices::UserCode;
use server::xrpc::header;

/// Longest path with its query; longer ones are not returned to.
const MAX_BYTES: usize = 2048;

/// The path and query of a page of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnPath(String);

impl ReturnPath {
    /// Parses a path with its query; `None` unless it is that of a page.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let target = PathAndQuery::try_from(text).ok().filter(|target| target.as_str() == text)?;
        let is_page = text.len() <= MAX_BYTES && (Endpoint::of_page(target.path()) || site::is_page(target.path()));
        is_page.then(|| Self(text.to_owned()))
    }

    /// Returns the page of a request; for a form, that which had it.
    pub(super) fn of_request(web: &Web, head: &Parts) -> Option<Self> {
        if head.method != Method::POST {
            return Self::parse(head.uri.path_and_query()?.as_str());
        }
        Self::parse(header(head, REFERER.as_str())?.strip_prefix(&web.settings.origin)?)
    }

    /// Returns the page that a link to the sign-in page or its form names as the `next` one. A `user_code` alone stands for
    /// the approval of its device.
    pub(super) fn of_link(next: Option<&str>, user_code: Option<&str>) -> Option<Self> {
        let of_device = |code| format!("{}?user_code={code}", Endpoint::Devices.path());
        let device = user_code.and_then(UserCode::parse).map(|code| Self(of_device(code)));
        next.and_then(Self::parse).or(device)
    }

    /// Returns the path and query.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the page asks for the approval of a device.
    pub(super) fn is_of_device(&self) -> bool {
        self.0.strip_prefix(Endpoint::Devices.path()).is_some_and(|query| query.starts_with("?user_code="))
    }

    /// Returns the link to the sign-in page that returns to this page, or to the settings without one.
    pub(super) fn sign_in(page: Option<&Self>) -> String {
        let sign_in = Endpoint::SignIn.path();
        let query =
            |page: &Self| url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &page.0).finish();
        page.map_or_else(|| sign_in.to_owned(), |page| format!("{sign_in}?{}", query(page)))
    }
}

#[cfg(test)]
mod tests {
    use super::ReturnPath;

    #[test]
    fn pages_of_ours_are_returned_to_and_nothing_else() {
        let digest = format!("/alice.test/app@sha256:{}", "7".repeat(64));
        for path in [
            "/",
            "/settings",
            "/search?q=a%20b&sort=stars",
            "/auth/device?user_code=WDJB-MJHT",
            "/settings/webhooks?name=team/app",
            "/alice.test",
            "/alice.test/team/app?page=2",
            "/did:plc:ewvi7nxzyoun6zhxrhs64oiz/app:v1",
            digest.as_str(),
        ] {
            assert_eq!(ReturnPath::parse(path).as_ref().map(ReturnPath::as_str), Some(path));
        }
        let long = format!("/search?q={}", "a".repeat(2048));
        for path in [
            "",
            "settings",
            "//evil.example",
            "//evil.example/app",
            "/\\evil.example",
            "/\\evil.example/app",
            "\\\\evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/%2f/evil.example",
            "/\t/evil.example",
            "/evil.example\r\nSet-Cookie: a=b",
            "https://evil.example",
            "https:/evil.example",
            "javascript:alert(1)",
            "@evil.example",
            ".evil.example",
            "/settings#fragment",
            "/settings/",
            // Endpoints that are no pages, or that only forms reach.
            "/auth/oauth/login",
            "/auth/oauth/login?next=/settings",
            "/auth/oauth/callback?state=a",
            "/auth/logout",
            "/auth/token",
            "/settings/data",
            "/settings/delete",
            "/star",
            "/picture/alice.test",
            "/v2/",
            "/xrpc/io.atcr.searchRepositories",
            long.as_str(),
        ] {
            assert_eq!(ReturnPath::parse(path), None, "{path}");
        }
    }
}
