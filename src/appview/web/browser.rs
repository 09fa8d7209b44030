//! Browsers: a cookie identifies one, and a CSRF token that is derived from the cookie protects its forms. After a form its page
//! says what was done, by its query, with a code that is derived from the cookie as well.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::HeaderMap;
use http::header::{COOKIE, ORIGIN, SET_COOKIE};
use http::request::Parts;
use sha2::{Digest as _, Sha256};

use super::Web;
use super::browser_sessions::SIGNED_IN_FOR_S;
use super::form::Fields;
use super::refusal::WebError;
use super::responses;
use server::wire::Response;
use server::xrpc::header;
use server::xrpc::response::set_header;

/// Name of the cookie. With this prefix a browser accepts it over TLS only, from this very host.
const NAME: &str = "__Host-atcr";
/// Name of the cookie on a localhost registry, which has no TLS.
const LOCAL_NAME: &str = "atcr";

/// A browser, with the secret of its cookie.
#[derive(Clone, Copy)]
pub(super) struct Browser {
    secret: [u8; 32],
    /// Whether the browser has no cookie yet.
    is_new: bool,
}

impl Browser {
    /// Returns the browser that sent a request: a known or a fresh one.
    pub(super) fn of(web: &Web, head: &Parts) -> Result<Self, WebError> {
        Self::known(web, head).map_or_else(|| Self::fresh(web), Ok)
    }

    /// Returns the browser that sent a request, if it has a cookie.
    pub(super) fn known(web: &Web, head: &Parts) -> Option<Self> {
        let secret = cookie(&head.headers, name(web)).and_then(|text| decode(&text))?;
        Some(Self { secret, is_new: false })
    }

    /// Returns a browser with a new secret. It replaces the cookie after a sign-in, so that a cookie from before is
    /// worth nothing.
    pub(super) fn fresh(web: &Web) -> Result<Self, WebError> {
        let secret = (web.settings.random)().ok_or_else(|| WebError::internal("the system gives no random numbers"))?;
        Ok(Self { secret, is_new: true })
    }

    /// Returns the hash of the cookie, which the database stores.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Returns the CSRF token of the browser's forms.
    pub(super) fn form_token(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derived("form").finalize())
    }

    /// Checks that a form came from one of our pages in this browser, by its token and the headers `Sec-Fetch-Site` and
    /// `Origin`.
    pub(super) fn check(&self, web: &Web, head: &Parts, token: &str) -> Result<(), WebError> {
        let site = header(head, "sec-fetch-site");
        let origin = header(head, ORIGIN.as_str());
        let is_ours = site.is_none_or(|site| matches!(site, "same-origin" | "none"))
            && origin.is_none_or(|origin| origin == "null" || origin == web.settings.origin);
        if !is_ours || self.is_new || token != self.form_token() {
            return Err(WebError::forged());
        }
        Ok(())
    }

    /// Redirects the browser after a form to the page at `path`, which says `sentence`: then a reload sends no form again, and
    /// there is a page to come back to.
    pub(super) fn go_and_say(&self, path: &str, sentence: &str) -> Response {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("said", sentence).append_pair("by", &self.code_of(sentence));
        let mark = if path.contains('?') { '&' } else { '?' };
        responses::go(&format!("{path}{mark}{}", query.finish()))
    }

    /// Returns the sentence that a page says after a form; empty without one, and when a stranger's link has it.
    pub(super) fn said<'f>(&self, fields: &'f Fields) -> &'f str {
        let sentence = fields.get("said").filter(|sentence| fields.get("by") == Some(&self.code_of(sentence)));
        sentence.unwrap_or_default()
    }

    /// Returns the secret of a webhook for `url` that is added by a form with this `once`, which is another one in each page: a
    /// form that is sent twice shows the same secret twice.
    pub(super) fn webhook_secret(&self, once: &str, url: &str) -> String {
        let secret = self.derived("webhook").chain_update(Sha256::digest(once)).chain_update(Sha256::digest(url));
        HEXLOWER.encode(&secret.finalize())
    }

    fn code_of(&self, sentence: &str) -> String {
        let code = self.derived("said").chain_update(Sha256::digest(sentence));
        BASE64URL_NOPAD.encode(&code.finalize()[..12])
    }

    /// Returns the hash of the cookie's secret for one purpose, to which more may be added.
    fn derived(&self, purpose: &str) -> Sha256 {
        Sha256::new().chain_update(purpose).chain_update(b"\0").chain_update(self.secret)
    }

    /// Sets the cookie of a new browser: until the browser is closed, or with `is_signed_in` for as long as a session
    /// lasts.
    pub(super) fn keep(&self, web: &Web, response: &mut Response, is_signed_in: bool) {
        if !self.is_new {
            return;
        }
        let (name, value) = (name(web), BASE64URL_NOPAD.encode(&self.secret));
        let secure = if name == NAME { "; Secure" } else { "" };
        let age = if is_signed_in { format!("; Max-Age={SIGNED_IN_FOR_S}") } else { String::new() };
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        set_header(response, SET_COOKIE, &cookie);
    }
}

/// Deletes the browser's cookie, so that the browser does not show pages again that it kept in memory.
pub(super) fn forget(web: &Web, response: &mut Response) {
    let name = name(web);
    let secure = if name == NAME { "; Secure" } else { "" };
    let cookie = format!("{name}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0");
    set_header(response, SET_COOKIE, &cookie);
}

fn name(web: &Web) -> &'static str {
    if web.settings.origin.starts_with("https://") { NAME } else { LOCAL_NAME }
}

/// Returns the value of the cookie with this name; `None` also when there are two.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value.to_owned());
    values.next().filter(|_| values.next().is_none())
}

fn decode(text: &str) -> Option<[u8; 32]> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{COOKIE, cookie};
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn a_cookie_counts_when_there_is_one() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            cookie(&headers, "atcr")
        };
        assert_eq!(of(&["a=b; atcr=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(of(&["a=b", "atcr=x"]).as_deref(), Some("x"));
        assert_eq!(of(&["atcr=x; atcr=y"]), None);
        assert_eq!(of(&["atcr=x", "atcr=y"]), None);
        assert_eq!(of(&["xatcr=x"]), None);
        assert_eq!(of(&[]), None);
    }
}
