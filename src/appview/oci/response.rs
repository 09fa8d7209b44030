//! Headers of answers.

use http::header::{HeaderName, HeaderValue};

use server::wire::Response;

/// `docker manifest` looks for it before it signs in, and believes in no registry without it.
pub(super) const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const REGISTRY_2_0: HeaderValue = HeaderValue::from_static("registry/2.0");
pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Gives an answer a header, if its text can stand in one.
pub(super) fn insert(response: &mut Response, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}
