//! Routes: what a path names. Names of repositories have slashes, so paths are parsed from their end.

use data_encoding::HEXLOWER;
use http::Method;
use http::request::Parts;

use super::refusal::OciError;
use crate::names::{Reference, RepositoryName};
use crate::uploads::UploadId;
use crate::web;
use atproto::syntax::{Digest, ImageName, Tag};
use server::xrpc::Query;

/// Names of the endpoints in metrics and in the log: those of this room, at the index that `Route::index` returns, then
/// those of `web`.
pub const ENDPOINTS: [&str; OWN.len() + web::ENDPOINTS.len()] = {
    let mut all = [""; OWN.len() + web::ENDPOINTS.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = if index < OWN.len() { OWN[index] } else { web::ENDPOINTS[index - OWN.len()].0 };
        index += 1;
    }
    all
};

pub(super) const OWN: [&str; 9] = [
    "/_health",
    "/auth/token",
    "/v2/",
    "/v2/*/manifests/*",
    "/v2/*/blobs/*",
    "/v2/*/blobs/uploads/",
    "/v2/*/blobs/uploads/*",
    "/v2/*/tags/list",
    "/v2/*/referrers/*",
];

/// The resource that a path names.
#[derive(Debug)]
pub(super) enum Route {
    /// The health check.
    Health,
    /// The token endpoint.
    Token,
    /// The base endpoint, which tells that this is a registry.
    Base,
    /// A manifest.
    Manifest(RepositoryName, Reference),
    /// A blob.
    Blob(RepositoryName, Digest),
    /// The endpoint where uploads begin.
    Uploads(RepositoryName),
    /// An open upload.
    Upload(RepositoryName, UploadId),
    /// The tags of a repository.
    Tags(RepositoryName),
    /// The referrers of a manifest.
    Referrers(RepositoryName, Digest),
}

impl Route {
    /// Parses the path of a request.
    pub(super) fn of(head: &Parts) -> Result<Self, OciError> {
        match head.uri.path() {
            "/_health" => Ok(Self::Health),
            "/auth/token" => Ok(Self::Token),
            "/v2" | "/v2/" => Ok(Self::Base),
            path => {
                let reads = matches!(head.method, Method::GET | Method::HEAD);
                Self::within(path.strip_prefix("/v2/").ok_or_else(OciError::not_found)?, reads)
            }
        }
    }

    fn within(path: &str, reads: bool) -> Result<Self, OciError> {
        let parts: Vec<_> = path.split('/').collect();
        let name = |count: usize| {
            let name = parts[..parts.len() - count].join("/");
            RepositoryName::parse(&name).map_err(|error| match ImageName::parse(&name) {
                // A name of another registry, as `library/alpine`: a client that has this one for its mirror goes on to the
                // other, and reports what that says.
                Ok(_) if reads => OciError::unknown_owner(error.to_string()),
                _ => OciError::name_invalid(error.to_string()),
            })
        };
        match parts[..] {
            [.., "blobs", "uploads"] => Ok(Self::Uploads(name(2)?)),
            [.., "blobs", "uploads", ""] => Ok(Self::Uploads(name(3)?)),
            [.., "blobs", "uploads", id] => Ok(Self::Upload(name(3)?, upload_id(id)?)),
            [.., "blobs", digest] => Ok(Self::Blob(name(2)?, self::digest(digest)?)),
            [.., "manifests", reference] => Ok(Self::Manifest(name(2)?, self::reference(reference)?)),
            [.., "referrers", digest] => Ok(Self::Referrers(name(2)?, self::digest(digest)?)),
            [.., "tags", "list"] => Ok(Self::Tags(name(2)?)),
            // Clients ask for it (`crane catalog`, `oras repo ls`), though it is no part of the specification.
            ["_catalog"] => Err(OciError::no_catalog()),
            [_] => Err(name(0).err().unwrap_or_else(OciError::not_found)),
            _ => Err(OciError::not_found()),
        }
    }

    pub(super) fn index(&self) -> usize {
        match self {
            Self::Health => 0,
            Self::Token => 1,
            Self::Base => 2,
            Self::Manifest(..) => 3,
            Self::Blob(..) => 4,
            Self::Uploads(_) => 5,
            Self::Upload(..) => 6,
            Self::Tags(_) => 7,
            Self::Referrers(..) => 8,
        }
    }
}

/// Returns the first value of a query parameter, unless it is absent or empty.
pub(super) fn query(head: &Parts, name: &str) -> Option<String> {
    let query = Query::of(head);
    let first = query.all(name).next();
    first.filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Parses a digest in a path or a query; clients may percent-encode its colon, and some do.
pub(super) fn digest(text: &str) -> Result<Digest, OciError> {
    let text = text.replacen("%3A", ":", 1).replacen("%3a", ":", 1);
    Digest::parse(&text).map_err(|error| OciError::digest_invalid(error.to_string()))
}

fn reference(text: &str) -> Result<Reference, OciError> {
    if let Ok(tag) = Tag::parse(text) {
        return Ok(Reference::Tag(tag));
    }
    digest(text).map(Reference::Digest)
}

fn upload_id(text: &str) -> Result<UploadId, OciError> {
    let id = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    id.ok_or_else(OciError::upload_unknown)
}

#[cfg(test)]
mod tests {
    use super::{ENDPOINTS, Route};

    fn index(path: &str) -> Result<&'static str, String> {
        let (head, ()) = http::Request::get(path).body(()).unwrap().into_parts();
        Route::of(&head).map(|route| ENDPOINTS[route.index()]).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let hex = "7".repeat(64);
        for (path, expected) in [
            ("/v2/a.b/c/manifests/latest", 3),
            (&format!("/v2/a.b/c/d/manifests/sha256:{hex}"), 3),
            (&format!("/v2/a.b/manifests/blobs/manifests/sha256%3A{hex}"), 3),
            (&format!("/v2/a.b/blobs/uploads/blobs/sha256:{hex}"), 4),
            ("/v2/a.b/c/blobs/uploads/", 5),
            ("/v2/a.b/c/blobs/uploads", 5),
            ("/v2/a.b/tags/list/tags/list", 7),
            (&format!("/v2/a.b/referrers/c/referrers/sha256:{hex}"), 8),
            (&format!("/v2/a.b/c/blobs/uploads/{}", "7".repeat(32)), 6),
        ] {
            assert_eq!(index(path), Ok(ENDPOINTS[expected]), "{path}");
        }
        for (path, code) in [
            ("/v2/a.b/c/manifests/sha512:77", "DIGEST_INVALID"),
            ("/v2/a.b/c/blobs/latest", "DIGEST_INVALID"),
            ("/v2/a.b/c/blobs/uploads/1", "BLOB_UPLOAD_UNKNOWN"),
            ("/v2/a.b/C/manifests/latest", "NAME_INVALID"),
            ("/v2/c/manifests/latest", "NAME_UNKNOWN"),
            ("/v2/library/alpine/tags/list", "NAME_UNKNOWN"),
            ("/v2/c/blobs/uploads/", "NAME_UNKNOWN"),
            ("/v2/_catalog", "lists no repositories"),
            ("/v2/a.b/c/nothing/latest", "UNSUPPORTED"),
            ("/", "UNSUPPORTED"),
        ] {
            assert!(index(path).unwrap_err().contains(code), "{path}: {:?}", index(path));
        }
    }
}
