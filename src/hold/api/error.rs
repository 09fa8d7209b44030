//! Every refusal: the one place that knows status codes of errors.
//!
//! Bodies are `{"error": name, "message": text}`. Those of 5xx are constant: what went wrong is logged here, once,
//! with the request id, and never sent.

mod blobs;
mod images;

use http::StatusCode;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use serde::Serialize;

use super::response;
use crate::crew::CrewError;
use crate::gate::{Denied, SignedUrlError};
use crate::pds::PdsError;
use atproto::lexicon::error as name;
use server::bulkhead::Overload;
use server::tokens::{AuthError, DpopError};
use server::wire::Response;

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// How a caller may say who it is.
const ANY_TOKEN: &str = "Bearer realm=\"atcr-hold\", DPoP realm=\"atcr-hold\", algs=\"ES256\"";
const SERVICE_TOKEN: &str = "Bearer realm=\"atcr-hold\"";

/// Seconds after which a client that met a limit may come back.
const RETRY_S: u32 = 5;

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) status: StatusCode,
    pub(super) name: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What really happened, for the log.
    pub(super) detail: Option<String>,
}

#[derive(Serialize)]
struct Body<'e> {
    error: &'e str,
    message: &'e str,
}

impl Error {
    pub(super) fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into(), headers: Vec::new(), detail: None }
    }

    /// What the answer tells the caller.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name::INVALID_REQUEST, message)
    }

    pub(super) fn not_json() -> Self {
        let message = "the body must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, name::INVALID_CONTENT_TYPE, message)
    }

    pub(super) fn repo_not_found() -> Self {
        Self::new(StatusCode::BAD_REQUEST, name::REPO_NOT_FOUND, "this server has only the hold's own repository")
    }

    pub(super) fn record_not_found() -> Self {
        Self::new(StatusCode::BAD_REQUEST, name::RECORD_NOT_FOUND, "there is no such record")
    }

    pub(super) fn blob_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, name::BLOB_NOT_FOUND, "there is no such blob")
    }

    pub(super) fn invalid_digest() -> Self {
        let message = "digest must be \"sha256:\" and 64 lower-case hexadecimal digits";
        Self::new(StatusCode::BAD_REQUEST, name::INVALID_DIGEST, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, name::NOT_FOUND, "there is nothing at this path")
    }

    pub(super) fn method_not_implemented() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, name::METHOD_NOT_IMPLEMENTED, "this server does not have this method")
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, name::METHOD_NOT_ALLOWED, format!("use {allowed} here"))
            .with(http::header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// The endpoint speaks WebSocket only.
    pub(super) fn upgrade_required(message: &'static str) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, name::UPGRADE_REQUIRED, message)
            .with(UPGRADE, HeaderValue::from_static("websocket"))
            .with(CONNECTION, HeaderValue::from_static("upgrade"))
            .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    }

    pub(super) fn too_many_subscribers() -> Self {
        let message = "too many subscribers; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, message).retry_after(60)
    }

    pub(super) fn rate_limited() -> Self {
        let message = "too many requests; slow down";
        Self::new(StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED, message).retry_after(RETRY_S)
    }

    /// The hold, or the caller, has too much under way.
    pub(super) fn overload(overload: Overload) -> Self {
        let (status, name) = match overload {
            Overload::Server => (StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE),
            Overload::Caller => (StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED),
        };
        Self::new(status, name, overload.to_string()).retry_after(RETRY_S)
    }

    pub(super) fn range_not_satisfiable(size_bytes: u64) -> Self {
        let message = "the range begins beyond the end of the blob";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, name::RANGE_NOT_SATISFIABLE, message)
            .with_text(http::header::CONTENT_RANGE, &format!("bytes */{size_bytes}"))
    }

    /// What the connection layer refused before there was a request.
    pub(super) fn refused(status: StatusCode, reason: &'static str) -> Self {
        let name = match status {
            StatusCode::URI_TOO_LONG => name::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => name::HEADERS_TOO_LARGE,
            StatusCode::REQUEST_TIMEOUT => name::REQUEST_TIMEOUT,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => name::HTTP_VERSION,
            _ => name::INVALID_REQUEST,
        };
        Self::new(status, name, reason).with(CONNECTION, HeaderValue::from_static("close"))
    }

    pub(super) fn internal(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, name::INTERNAL, "the hold failed; its log says why")
            .because(detail)
    }

    fn unavailable(detail: impl std::fmt::Display) -> Self {
        let message = "the hold cannot do this at present; try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, message).retry_after(RETRY_S).because(detail)
    }

    fn no_space(detail: impl std::fmt::Display) -> Self {
        let message = "the hold's storage is full";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, name::INSUFFICIENT_STORAGE, message).because(detail)
    }

    /// Gives a 500 the name that its method has for failures.
    pub(super) fn named_if_internal(mut self, name: &'static str) -> Self {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            self.name = name;
        }
        self
    }

    fn because(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    fn retry_after(self, seconds: u32) -> Self {
        self.with(RETRY_AFTER, seconds.into())
    }

    fn with(mut self, header: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((header, value));
        self
    }

    /// Without the header when the text is none.
    fn with_text(self, header: HeaderName, text: &str) -> Self {
        match HeaderValue::from_str(text) {
            Ok(value) => self.with(header, value),
            Err(_) => self,
        }
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = response::json_with(self.status, &Body { error: self.name, message: &self.message });
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let text = denied.to_string();
        match denied {
            Denied::Anonymous => unauthorized(name::AUTH_REQUIRED, text, ANY_TOKEN),
            Denied::Auth(error) => error.into(),
            Denied::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, name::FORBIDDEN, text),
            Denied::Crew(error) => error.into(),
        }
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Token(token) => unauthorized(token.name(), token.to_string(), SERVICE_TOKEN),
            AuthError::Dpop(error) => error.into(),
            AuthError::Unresolvable | AuthError::PdsUnreachable | AuthError::Busy => Self::unavailable(error),
        }
    }
}

impl From<DpopError> for Error {
    fn from(error: DpopError) -> Self {
        // Alone and first, as clients look for it; the name is how they know to try again with the nonce.
        let challenge = format!("DPoP realm=\"atcr-hold\", algs=\"ES256\", error=\"{}\"", error.name());
        let refusal = unauthorized(error.name(), error.to_string(), &challenge);
        match error {
            DpopError::Nonce(nonce) => refusal.with_text(DPOP_NONCE, &nonce),
            DpopError::Token(_) | DpopError::Proof(_) | DpopError::Binding(_) => refusal,
        }
    }
}

fn unauthorized(name: &'static str, message: String, challenge: &str) -> Error {
    Error::new(StatusCode::UNAUTHORIZED, name, message).with_text(WWW_AUTHENTICATE, challenge)
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
            CrewError::Immutable | CrewError::Declared => {
                Self::new(StatusCode::FORBIDDEN, name::FORBIDDEN, error.to_string())
            }
            CrewError::RegistrationDisabled => {
                Self::new(StatusCode::FORBIDDEN, name::REGISTRATION_DISABLED, error.to_string())
            }
            CrewError::NoCaptain | CrewError::Unreadable(_) => Self::internal(error),
            CrewError::Pds(error) => error.into(),
        }
    }
}

impl From<PdsError> for Error {
    fn from(error: PdsError) -> Self {
        match error {
            PdsError::InvalidSwap { .. } => Self::new(StatusCode::BAD_REQUEST, name::INVALID_SWAP, error.to_string()),
            PdsError::RecordNotFound => Self::record_not_found(),
            PdsError::BlobRef(ref refused) => Self::new(StatusCode::BAD_REQUEST, refused.name(), error.to_string()),
            PdsError::TooManyBlobs => Self { message: error.to_string(), ..Self::rate_limited() },
            PdsError::RecordExists | PdsError::RepeatedRecord | PdsError::InvalidRecord(_) => {
                Self::invalid(error.to_string())
            }
            PdsError::TooLarge(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, name::PAYLOAD_TOO_LARGE, error.to_string())
            }
            PdsError::OtherDid(_) | PdsError::OtherKey | PdsError::MissingBlock(_) | PdsError::Damaged(_) => {
                Self::internal(error)
            }
            PdsError::NoSpace(source) => Self::no_space(source),
            PdsError::Unavailable(source) => Self::unavailable(source),
            PdsError::Storage(source) => Self::internal(source),
        }
    }
}
