//! Headers of answers.

use http::header::{HeaderName, HeaderValue};

use server::wire::Response;

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Gives an answer a header, if its text can stand in one.
pub(super) fn insert(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}
