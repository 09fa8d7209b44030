//! The error responses of the hold: the only place that knows the status codes of errors.
//!
//! Bodies of 5xx are constant: the cause is logged once, with the request id, and never sent.

mod blobs;
mod images;

use std::fmt::Display;

use http::StatusCode;
use http::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE};

use crate::crew::CrewError;
use crate::gate::{Denied, SignedUrlError};
use crate::pds::PdsError;
use atproto::lexicon::error as name;
use server::bulkhead::Overload;
use server::tokens::{AuthError, DpopError};
use server::wire::websocket::HandshakeRefusal;
use server::xrpc::Error;

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// The challenge that names both kinds of token.
const ANY_TOKEN: &str = "Bearer realm=\"atcr-hold\", DPoP realm=\"atcr-hold\", algs=\"ES256\"";
const SERVICE_TOKEN: &str = "Bearer realm=\"atcr-hold\"";

pub(super) fn repo_not_found() -> Error {
    Error::new(StatusCode::BAD_REQUEST, name::REPO_NOT_FOUND, "this server has only the hold's own repository")
}

pub(super) fn record_not_found() -> Error {
    Error::new(StatusCode::BAD_REQUEST, name::RECORD_NOT_FOUND, "there is no such record")
}

pub(super) fn blob_not_found() -> Error {
    Error::new(StatusCode::NOT_FOUND, name::BLOB_NOT_FOUND, "there is no such blob")
}

pub(super) fn invalid_digest() -> Error {
    let message = "digest must be \"sha256:\" and 64 lower-case hexadecimal digits";
    Error::new(StatusCode::BAD_REQUEST, name::INVALID_DIGEST, message)
}

pub(super) fn too_many_subscribers() -> Error {
    let message = "too many subscribers; try again later";
    Error::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, message).retry_after(60)
}

pub(super) fn too_many_subscribers_of_address() -> Error {
    let message = "this address has its share of the subscribers; try again later";
    Error::new(StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED, message).retry_after(60)
}

/// Refuses a caller that is not a registry front end of the configuration.
pub(super) fn not_appview() -> Error {
    let message = "a token of a registry front end that this hold trusts is required";
    unauthorized(name::AUTH_REQUIRED, message.into(), ANY_TOKEN)
}

/// Returns a 500 with a constant body. The detail is for the log.
pub(super) fn internal(detail: impl Display) -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, name::INTERNAL, "the hold failed; its log says why").because(detail)
}

pub(super) fn unavailable(detail: impl Display) -> Error {
    try_again_later().because(detail)
}

/// Returns a 503 that is not the hold's fault: no error is logged.
fn try_again_later() -> Error {
    let message = "the hold cannot do this at present; try again later";
    Error::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, message).retry_soon()
}

fn no_space(detail: impl Display) -> Error {
    let message = "the hold's storage is full";
    Error::new(StatusCode::INSUFFICIENT_STORAGE, name::INSUFFICIENT_STORAGE, message).because(detail)
}

fn unauthorized(name: &'static str, message: String, challenge: &str) -> Error {
    Error::new(StatusCode::UNAUTHORIZED, name, message).with_text(WWW_AUTHENTICATE, challenge)
}

/// Refuses a request because the hold, or its caller, has too many requests under way.
pub(super) fn overload(overload: Overload) -> Error {
    let (status, name) = match overload {
        Overload::Server => (StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE),
        Overload::Caller => (StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED),
    };
    Error::new(status, name, overload.to_string()).retry_soon()
}

/// Refuses a request without a WebSocket handshake, or with a malformed one.
pub(super) fn of_handshake(refusal: HandshakeRefusal) -> Error {
    match refusal {
        HandshakeRefusal::UpgradeRequired(message) => {
            Error::new(StatusCode::UPGRADE_REQUIRED, name::UPGRADE_REQUIRED, message)
                .with(UPGRADE, HeaderValue::from_static("websocket"))
                .with(CONNECTION, HeaderValue::from_static("upgrade"))
                .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        }
        HandshakeRefusal::Malformed(message) => Error::invalid(message),
    }
}

/// Refuses a token, or the proof beside it.
pub(super) fn of_token(error: AuthError) -> Error {
    match error {
        AuthError::Token(token) => unauthorized(token.name(), token.to_string(), SERVICE_TOKEN),
        AuthError::Dpop(error) => of_dpop(error),
        // The code that reads the document or asks the PDS logs the cause.
        AuthError::Busy(Overload::Caller) => overload(Overload::Caller),
        AuthError::Unresolvable | AuthError::PdsUnreachable | AuthError::Busy(Overload::Server) => try_again_later(),
    }
}

fn of_dpop(error: DpopError) -> Error {
    // Alone and first, as clients look for it; by the error name they know to retry with the nonce.
    let challenge = format!("DPoP realm=\"atcr-hold\", algs=\"ES256\", error=\"{}\"", error.name());
    let refusal = unauthorized(error.name(), error.to_string(), &challenge);
    match error {
        DpopError::Nonce(nonce) => refusal.with_text(DPOP_NONCE, &nonce),
        DpopError::Token(_) | DpopError::Proof(_) | DpopError::Binding(_) => refusal,
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let text = denied.to_string();
        match denied {
            Denied::Anonymous => unauthorized(name::AUTH_REQUIRED, text, ANY_TOKEN),
            Denied::Auth(error) => of_token(error),
            Denied::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, name::FORBIDDEN, text),
            Denied::Crew(error) => error.into(),
        }
    }
}

impl From<SignedUrlError> for Error {
    fn from(error: SignedUrlError) -> Self {
        Self::new(StatusCode::FORBIDDEN, name::INVALID_SIGNED_URL, error.to_string())
    }
}

impl From<CrewError> for Error {
    fn from(error: CrewError) -> Self {
        match error {
            CrewError::Invalid(message) => Self::invalid(message),
            CrewError::Protected(message) => Self::new(StatusCode::FORBIDDEN, name::FORBIDDEN, message),
            CrewError::Immutable | CrewError::Declared | CrewError::Refused => {
                Self::new(StatusCode::FORBIDDEN, name::FORBIDDEN, error.to_string())
            }
            CrewError::RegistrationDisabled => {
                Self::new(StatusCode::FORBIDDEN, name::REGISTRATION_DISABLED, error.to_string())
            }
            CrewError::NoCaptain | CrewError::Unreadable(_) => internal(error),
            CrewError::Pds(error) => error.into(),
        }
    }
}

impl From<PdsError> for Error {
    fn from(error: PdsError) -> Self {
        match error {
            PdsError::InvalidSwap { .. } => Self::new(StatusCode::BAD_REQUEST, name::INVALID_SWAP, error.to_string()),
            PdsError::RecordNotFound => record_not_found(),
            PdsError::BlobRef(ref refused) => Self::new(StatusCode::BAD_REQUEST, refused.name(), error.to_string()),
            PdsError::TooManyExports => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, error.to_string()).retry_soon()
            }
            PdsError::CrowdedNode => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, error.to_string()).retry_after(3600)
            }
            PdsError::TooMuchThisHour { retry_s, .. } => {
                let retry_s = u32::try_from(retry_s).unwrap_or(u32::MAX);
                Self::new(StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED, error.to_string())
                    .retry_after(retry_s)
            }
            PdsError::TooManyBlobs => Self::rate_limited().saying(error.to_string()),
            PdsError::RecordExists | PdsError::RepeatedRecord | PdsError::InvalidRecord(_) => {
                Self::invalid(error.to_string())
            }
            PdsError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, name::PAYLOAD_TOO_LARGE, error.to_string())
            }
            PdsError::OtherDid(_) | PdsError::OtherKey | PdsError::MissingBlock(_) | PdsError::Damaged(_) => {
                internal(error)
            }
            PdsError::NoSpace(source) => no_space(source),
            PdsError::Unavailable(source) => unavailable(source),
            PdsError::Storage(source) => internal(source),
        }
    }
}
