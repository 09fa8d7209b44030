//! Conditional requests: whether a client already has the response.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>

use http::header::IF_NONE_MATCH;
use http::request::Parts;
use http::{Method, StatusCode};

use crate::wire::{Response, ResponseBody};

/// Whether If-None-Match names the entity tag of the response. Then answer [`not_modified`].
#[must_use]
pub fn is_known(head: &Parts, etag: &str) -> bool {
    let lines = head.headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut known = lines.flat_map(|line| line.split(',')).map(str::trim);
    let matches = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag;
    matches!(head.method, Method::GET | Method::HEAD) && known.any(matches)
}

/// Makes a 304 response. The caller adds the headers that the whole response would have.
#[must_use]
pub fn not_modified() -> Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn entity_tags_are_compared_weakly() {
        let cases = [
            (vec!["\"a\""], true),
            (vec!["W/\"a\""], true),
            (vec!["\"b\", W/\"a\""], true),
            (vec!["\"b\"", "\"a\""], true),
            (vec!["*"], true),
            (vec!["a"], false),
            (vec!["\"A\""], false),
            (vec!["w/\"a\""], false),
            (vec![], false),
        ];
        for (lines, expected) in cases {
            for method in ["GET", "HEAD", "POST"] {
                let mut request = http::Request::builder().method(method);
                for line in &lines {
                    request = request.header("if-none-match", *line);
                }
                let (head, ()) = request.body(()).unwrap().into_parts();
                assert_eq!(is_known(&head, "\"a\""), expected && method != "POST", "{method} {lines:?}");
            }
        }
    }
}
