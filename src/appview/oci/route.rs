//! From a path to what it names. Names of repositories have slashes, so paths are read from their end.

use http::request::Parts;

use super::refusal::OciError;
use crate::names::RepositoryName;

/// The endpoints as metrics and the log name them; [`Route::index`] is a place in it.
pub const ENDPOINTS: [&str; 3] = ["/_health", "/auth/token", "/v2/"];

/// What a path names.
#[derive(Debug)]
pub(super) enum Route {
    /// Whether the program is well.
    Health,
    /// Where tokens come from.
    Token,
    /// Whether this is a registry.
    Base,
}

impl Route {
    /// What the path of a request names.
    pub(super) fn of(head: &Parts) -> Result<Self, OciError> {
        match head.uri.path() {
            "/_health" => Ok(Self::Health),
            "/auth/token" => Ok(Self::Token),
            "/v2" | "/v2/" => Ok(Self::Base),
            path => Err(unknown(path)),
        }
    }

    pub(super) fn index(&self) -> usize {
        match self {
            Self::Health => 0,
            Self::Token => 1,
            Self::Base => 2,
        }
    }
}

/// Nothing is at a path; below `/v2/` it is the name that is wrong, or nothing else is there.
fn unknown(path: &str) -> OciError {
    let name = path.strip_prefix("/v2/").unwrap_or_default();
    match RepositoryName::parse(name) {
        Err(error) if !name.is_empty() && !name.contains('/') => OciError::name_invalid(error.to_string()),
        _ => OciError::not_found(),
    }
}
