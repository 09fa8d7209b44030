//! The error envelope: a status, and a body `{"error": name, "message": text}`.
//! <https://atproto.com/specs/xrpc#error-responses>

use std::fmt::Display;

use http::StatusCode;
use http::header::{ALLOW, CONNECTION, CONTENT_RANGE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use super::refusal::Refusal;
use super::response::json_with;
use crate::wire::{self, BodyFault, Response};
use atproto::lexicon::error as name;

/// Seconds of Retry-After for a client that exceeded a limit.
const RETRY_S: u32 = 5;

/// An error response.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    name: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The internal cause: for the log, never for the client.
    detail: Option<String>,
}

impl Error {
    /// Makes an error of this status, with a name for programs and a message for people.
    pub fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into(), headers: Vec::new(), detail: None }
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the name, for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the message, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Makes a 400 `InvalidRequest`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name::INVALID_REQUEST, message)
    }

    /// Makes the 404 of an unknown path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, name::NOT_FOUND, "there is nothing at this path")
    }

    /// Makes a 429.
    #[must_use]
    pub fn rate_limited() -> Self {
        let message = "too many requests; slow down";
        Self::new(StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED, message).retry_soon()
    }

    /// Makes the 416 of a body of `size_bytes`.
    #[must_use]
    pub fn range_not_satisfiable(size_bytes: u64) -> Self {
        let message = "the range begins beyond the end of the blob";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, name::RANGE_NOT_SATISFIABLE, message)
            .with_text(CONTENT_RANGE, &format!("bytes */{size_bytes}"))
    }

    pub(super) fn not_json() -> Self {
        let message = "the body must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, name::INVALID_CONTENT_TYPE, message)
    }

    pub(super) fn method_not_implemented() -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, name::METHOD_NOT_IMPLEMENTED, "this server does not have this method")
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, name::METHOD_NOT_ALLOWED, format!("use {allowed} here"))
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// Changes the name of a 500 to the one that its method has for failures.
    #[must_use]
    pub fn named_if_internal(mut self, name: &'static str) -> Self {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            self.name = name;
        }
        self
    }

    /// Adds the internal cause, for the log.
    #[must_use]
    pub fn because(mut self, detail: impl Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// Replaces the message.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Adds a Retry-After of a few seconds.
    #[must_use]
    pub fn retry_soon(self) -> Self {
        self.retry_after(RETRY_S)
    }

    /// Adds a Retry-After.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.with(RETRY_AFTER, seconds.into())
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, header: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((header, value));
        self
    }

    /// Adds a header, unless the text is not valid in one.
    #[must_use]
    pub fn with_text(self, header: HeaderName, text: &str) -> Self {
        match HeaderValue::from_str(text) {
            Ok(value) => self.with(header, value),
            Err(_) => self,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'e> {
    error: &'e str,
    message: &'e str,
}

impl Refusal for Error {
    fn name(&self) -> &'static str {
        self.name
    }

    fn take_detail(&mut self) -> Option<String> {
        self.detail.take()
    }

    fn into_response(self) -> Response {
        let mut response = json_with(self.status, &Envelope { error: self.name, message: &self.message });
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<wire::HeadRefusal> for Error {
    /// Converts the refusal of a request head. The connection ends with the response.
    fn from(refusal: wire::HeadRefusal) -> Self {
        let name = match refusal.status {
            StatusCode::URI_TOO_LONG => name::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => name::HEADERS_TOO_LARGE,
            StatusCode::REQUEST_TIMEOUT => name::REQUEST_TIMEOUT,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => name::HTTP_VERSION,
            _ => name::INVALID_REQUEST,
        };
        Self::new(refusal.status, name, refusal.reason).with(CONNECTION, HeaderValue::from_static("close"))
    }
}

impl From<BodyFault> for Error {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TimedOut => {
                let message = "the body did not arrive: the client was too slow";
                Self::new(StatusCode::REQUEST_TIMEOUT, name::REQUEST_TIMEOUT, message)
            }
            BodyFault::TooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, name::PAYLOAD_TOO_LARGE, "the body is too large")
            }
            BodyFault::Disconnected => Self::invalid("the body did not arrive: the client went away"),
            BodyFault::Malformed => Self::invalid("the body did not arrive: it is malformed"),
        }
    }
}
