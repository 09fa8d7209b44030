//! The id and the log line of a request.

use std::cell::RefCell;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use http_body::Body as _;

use super::trace::Trace;
use crate::wire::{Request, Response};
use atproto::syntax::{Digest, millis};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Limit of a path in the log; the longest real one is that of a blob, with some 80 characters.
const MAX_PATH_CHARS: usize = 256;
/// Number of ids for which a thread gets randomness from the kernel at once: it saves a system call in most requests.
const IDS_AT_ONCE: usize = 32;

/// The log line of a request. The query is left out: it may have a signature.
pub(super) struct Line {
    id: String,
    method: Method,
    path: String,
}

/// The reason of a refusal or failure.
pub(super) struct Why {
    pub(super) name: &'static str,
    /// The internal cause, if the server failed.
    pub(super) detail: Option<String>,
}

impl Line {
    pub(super) fn of(request: &Request) -> Self {
        let path = request.head.uri.path();
        let path = match path.char_indices().nth(MAX_PATH_CHARS) {
            Some((end, _)) => format!("{}…", &path[..end]),
            None => path.to_owned(),
        };
        Self { id: random_id(), method: request.head.method.clone(), path }
    }

    /// Adds the id of the request to its response.
    pub(super) fn mark(&self, response: &mut Response) {
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    pub(super) fn write(&self, response: &Response, trace: &Trace, why: Option<&Why>, took: Duration) {
        let status = response.status().as_u16();
        let size = response.body().size_hint().exact();
        let duration_ms = millis(took);
        let error = why.map(|why| why.name);
        let detail = why.and_then(|why| why.detail.as_deref());
        let peer = trace.client.map(|peer| peer.to_string());
        let caller = trace.caller.as_ref().map(|did| did.as_str());
        let nsid = trace.endpoint.map(|(_, name)| name).filter(|name| !name.starts_with('/'));
        // The handler that knows the blob adds its digest to the response.
        let digest = response.extensions().get::<Digest>().map(ToString::to_string);
        let (id, method, path) = (self.id.as_str(), self.method.as_str(), self.path.as_str());
        // The message alone must be complete: it is all that `journalctl -u` shows.
        let named = error.map(|name| format!(" {name}")).unwrap_or_default();
        let message = format!("{method} {path} {status}{named} in {duration_ms} ms");
        if let Some(detail) = detail {
            tracing::error!(
                request_id = id,
                method,
                path,
                nsid,
                status,
                error,
                detail,
                peer,
                did = caller,
                duration_ms,
                "{message}: {detail}"
            );
        } else {
            tracing::info!(
                request_id = id,
                method,
                path,
                nsid,
                digest,
                status,
                error,
                size,
                peer,
                did = caller,
                duration_ms,
                "{message}"
            );
        }
    }
}

fn random_id() -> String {
    thread_local! {
        static UNUSED: RefCell<Vec<[u8; 8]>> = const { RefCell::new(Vec::new()) };
    }
    UNUSED.with_borrow_mut(|unused| {
        if unused.is_empty() {
            unused.resize(IDS_AT_ONCE, [0; 8]);
            // Without randomness ids repeat, which only makes the log harder to read.
            let _ = getrandom::fill(unused.as_flattened_mut());
        }
        data_encoding::HEXLOWER.encode(&unused.pop().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_of_sixteen_digits_and_differ() {
        let ids: HashSet<_> = (0..3 * IDS_AT_ONCE).map(|_| random_id()).collect();
        assert!(ids.len() == 3 * IDS_AT_ONCE && ids.iter().all(|id| id.len() == 16));
    }
}
