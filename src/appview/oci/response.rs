//! Headers of responses.

use http::header::{HeaderName, HeaderValue};

/// `docker manifest` looks for this header before it signs in, and takes no server without it for a registry.
pub(super) const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
pub(super) const REGISTRY_2_0: HeaderValue = HeaderValue::from_static("registry/2.0");
pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
