//! DPoP proofs, and the nonces that servers require in them: the last nonce of a server is used until it sends another.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode, Uri};
use quick_cache::sync::Cache;

use super::credential::Proven;
use super::{RemoteError, XrpcError};
use server::egress::EgressError;
use server::tokens::{ProofFor, dpop_proof};

/// Request header of a proof.
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Response header of a nonce.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Error name with which a server requires its nonce in the proof.
const USE_NONCE: &str = "use_dpop_nonce";
/// Servers whose nonces are cached, at some 200 bytes each.
const MAX_SERVERS: usize = 4096;
/// Longest nonce; longer ones are ignored, for they would be sent in every request.
const MAX_NONCE_BYTES: usize = 256;

/// Makes DPoP proofs. Clones share the nonces.
#[derive(Clone)]
pub(super) struct Proofs {
    nonces: Arc<Cache<String, Arc<str>>>,
    /// Returns microseconds since 1970.
    clock: fn() -> u64,
    random: fn() -> Option<[u8; 32]>,
}

impl Proofs {
    pub(super) fn new(clock: fn() -> u64, random: fn() -> Option<[u8; 32]>) -> Self {
        Self { nonces: Arc::new(Cache::new(MAX_SERVERS)), clock, random }
    }

    /// Returns a proof for one request. A server accepts each proof once.
    pub(super) fn make(&self, proven: Proven<'_>, method: &str, uri: &Uri) -> Result<HeaderValue, RemoteError> {
        let failed = |reason: &str| EgressError::Request(reason.into());
        let id = (self.random)().ok_or_else(|| failed("the system gives no random numbers"))?;
        let origin = origin(uri);
        let nonce = self.nonces.get(&origin);
        let url = format!("{origin}{}", uri.path());
        let wanted = ProofFor { method, url: &url, token: proven.token, nonce: nonce.as_deref() };
        let proof = dpop_proof(proven.key, &wanted, (self.clock)() / 1_000_000, &id);
        let mut proof = HeaderValue::try_from(proof).map_err(|_| failed("a proof is no header"))?;
        proof.set_sensitive(true);
        Ok(proof)
    }

    /// Caches the nonce of a response; returns whether the request must be repeated with it.
    pub(super) fn observe(&self, uri: &Uri, answer: &Response<Bytes>) -> bool {
        let nonce = answer.headers().get(DPOP_NONCE).and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce.filter(|nonce| (1..=MAX_NONCE_BYTES).contains(&nonce.len())) else { return false };
        self.nonces.insert(origin(uri), nonce.into());
        wants_nonce(answer)
    }
}

/// Whether a response requires a nonce. A PDS says so in `WWW-Authenticate`, an authorization server in the error of
/// its body.
fn wants_nonce(answer: &Response<Bytes>) -> bool {
    if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
        return false;
    }
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenged = challenges.filter_map(|value| value.to_str().ok()).any(|value| value.contains(USE_NONCE));
    challenged || serde_json::from_slice::<XrpcError>(answer.body()).is_ok_and(|error| error.error == USE_NONCE)
}

fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}
