//! Error responses of the registry: the one place that maps errors to status codes and the codes of the specification.
//!
//! Bodies of 5xx are constant but for the host that is down: the cause is logged once, with the request id.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>

use std::fmt::Display;
use std::time::Duration;

use http::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response as HttpResponse, StatusCode};
use serde_json::json;

use super::response::{DOCKER_API_VERSION, REGISTRY_2_0};
use crate::accounts::AccountsError;
use crate::holds::HoldsError;
use crate::images::ImagesError;
use crate::remote::RemoteError;
use crate::repos::ReposError;
use crate::uploads::{UploadBound, UploadsError};
use crate::web;
use atproto::lexicon::error as name;
use server::bulkhead::Overload;
use server::egress::with_slowest;
use server::identity::{self, ListError};
use server::storage::StorageError;
use server::wire::{BodyFault, Response, ResponseBody};
use server::xrpc::{Cause, Elsewhere, Refusal};

/// Seconds after which a client that met a limit may come back.
const RETRY_S: u32 = 5;
/// Longest such time that a server behind the registry may ask for, in seconds: an hour.
const MAX_RETRY_S: u64 = 60 * 60;
const NOBODY: &str = "the owner of this image is nobody: no such DID, or a handle that its domain does not confirm";

/// An error of the registry on its way to the client.
#[derive(Debug)]
pub struct OciError {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The cause, for the log, never for the client.
    detail: Option<String>,
    /// Whether another server caused it.
    is_elsewhere: bool,
}

impl OciError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), detail: None, is_elsewhere: false }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is nothing at this path")
    }

    pub(super) fn no_catalog() -> Self {
        let message = "this registry lists no repositories: its pages do, each owner's and a search";
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", message)
    }

    pub(super) fn name_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", message)
    }

    pub(super) fn name_unknown() -> Self {
        Self::unknown_owner("the owner has no such repository")
    }

    /// 404 for a repository whose owner is nobody, or whose account is not active.
    pub(super) fn unknown_owner(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message)
    }

    pub(super) fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn manifest_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "there is no such manifest")
    }

    pub(super) fn blob_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "there is no such blob")
    }

    pub(super) fn upload_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    /// 416 for bytes that do not begin at the upload's offset; `location` is its path, `range` the received bytes.
    pub(super) fn out_of_order(location: &str, range: &str) -> Self {
        let message = "the bytes do not begin where the upload ends";
        let mut error = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message);
        for (header, text) in [(LOCATION, location), (RANGE, range)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                error = error.with(header, value);
            }
        }
        error
    }

    /// 400 for a malformed request.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
    }

    pub(super) fn method_not_allowed(allowed: &'static str) -> Self {
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", format!("use {allowed} here"));
        error.with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 405 for the deletion of a blob, for which holds have no method.
    pub(super) fn blobs_are_not_deleted() -> Self {
        let message = "blobs are not deleted one by one: a hold removes those that no manifest names any more";
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message);
        error.with(ALLOW, HeaderValue::from_static("GET, HEAD"))
    }

    /// 401 with a challenge.
    pub(super) fn unauthorized(message: impl Into<String>, challenge: &str) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        match HeaderValue::from_str(challenge) {
            Ok(value) => error.with(WWW_AUTHENTICATE, value),
            Err(_) => error,
        }
    }

    /// 401 for wrong credentials, with a challenge for `Basic`.
    pub(super) fn wrong_credentials(message: impl Into<String>) -> Self {
        Self::unauthorized(message, "Basic realm=\"atcr\", charset=\"UTF-8\"")
    }

    /// Replaces the challenge for `Basic`, which only the token endpoint takes: elsewhere a client gets a new token.
    pub(super) fn for_token(mut self, challenge: impl FnOnce() -> String) -> Self {
        let is_for_basic = |(name, value): &&mut (HeaderName, HeaderValue)| {
            *name == WWW_AUTHENTICATE && value.as_bytes().starts_with(b"Basic ")
        };
        if let Some((_, value)) = self.headers.iter_mut().find(is_for_basic)
            && let Ok(challenge) = HeaderValue::try_from(challenge())
        {
            *value = challenge;
        }
        self
    }

    /// 500; the detail is for the log.
    pub(super) fn internal(detail: impl Display) -> Self {
        let message = "the registry failed; its log says why";
        Self { detail: Some(detail.to_string()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message) }
    }

    /// 503 for an overload.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).with(RETRY_AFTER, RETRY_S.into())
    }

    /// [`OciError::unavailable`] for another server's sake.
    fn away(message: impl Into<String>) -> Self {
        Self { is_elsewhere: true, ..Self::unavailable(with_slowest(message.into())) }
    }

    fn too_many_requests(message: impl Into<String>) -> Self {
        Self::too_many_for(RETRY_S.into(), message)
    }

    /// 429 for a client that may retry after `retry_s` seconds.
    fn too_many_for(retry_s: u64, message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message).with(RETRY_AFTER, retry_s.into())
    }

    /// 507; the detail is for the log.
    fn no_space(detail: impl Display) -> Self {
        let message = "the registry's disk is full";
        Self { detail: Some(detail.to_string()), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "UNAVAILABLE", message) }
    }

    /// Returns the error for the database or the disk.
    fn of_storage(error: StorageError) -> Self {
        match error {
            StorageError::NoSpace(_) => Self::no_space(error),
            error => Self::internal(error),
        }
    }

    /// Has the client retry after the time that a server behind the registry asked for, if it did: 1 s to an hour.
    fn after(mut self, asked: Option<Duration>) -> Self {
        if let Some(asked) = asked
            && let Some((_, value)) = self.headers.iter_mut().find(|(name, _)| *name == RETRY_AFTER)
        {
            let rounded_s = asked.as_secs().saturating_add(u64::from(asked.subsec_nanos() > 0));
            *value = rounded_s.clamp(1, MAX_RETRY_S).into();
        }
        self
    }

    fn with(mut self, header: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((header, value));
        self
    }
}

impl Refusal for OciError {
    fn name(&self) -> &'static str {
        self.code
    }

    fn take_detail(&mut self) -> Option<String> {
        self.detail.take()
    }

    fn into_response(self) -> Response {
        let body = json!({ "errors": [{ "code": self.code, "message": self.message, "detail": null }] });
        let mut response = HttpResponse::new(ResponseBody::full(body.to_string()));
        *response.status_mut() = self.status;
        if self.is_elsewhere {
            response.extensions_mut().insert(Elsewhere);
        }
        response.headers_mut().insert(http::header::CONTENT_TYPE, server::xrpc::response::JSON);
        response.headers_mut().insert(DOCKER_API_VERSION, REGISTRY_2_0);
        response.headers_mut().extend(self.headers);
        // It may stand at the address of a page.
        web::guard(&mut response);
        response
    }
}

impl From<Cause> for OciError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Head(refusal) => Self::new(refusal.status, "UNSUPPORTED", refusal.reason)
                .with(CONNECTION, HeaderValue::from_static("close")),
            Cause::RateLimited => Self::too_many_requests("too many requests; slow down"),
            Cause::Panic(message) => Self::internal(format!("the handler panicked: {message}")),
        }
    }
}

impl From<BodyFault> for OciError {
    fn from(fault: BodyFault) -> Self {
        let status = match fault {
            BodyFault::TimedOut => StatusCode::REQUEST_TIMEOUT,
            BodyFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyFault::Malformed | BodyFault::Disconnected => StatusCode::BAD_REQUEST,
        };
        Self::new(status, "SIZE_INVALID", fault.to_string())
    }
}

impl From<Overload> for OciError {
    fn from(overload: Overload) -> Self {
        match overload {
            Overload::Caller => Self::too_many_requests(overload.to_string()),
            Overload::Server => Self::unavailable(overload.to_string()),
        }
    }
}

impl From<identity::ResolveError> for OciError {
    fn from(error: identity::ResolveError) -> Self {
        use identity::ResolveError as E;
        match error {
            E::NotFound => Self::unknown_owner(NOBODY),
            E::Invalid(_) | E::Unsupported(_) => Self::unknown_owner(format!("the owner of this image: {error}")),
            E::Busy(overload @ Overload::Caller) => overload.into(),
            E::Busy(Overload::Server) => Self::unavailable(format!("the owner of this image: {error}")),
            E::Refused(_) | E::Unreachable => Self::away(format!("the owner of this image: {error}")),
        }
    }
}

impl From<AccountsError> for OciError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Identity(error) => error.into(),
            AccountsError::WrongPassword
            | AccountsError::MainPassword
            | AccountsError::SessionEnded
            | AccountsError::Inactive(_) => Self::wrong_credentials(error.to_string()),
            AccountsError::TooManyPasswords { retry_s } => Self::too_many_for(retry_s, error.to_string()),
            AccountsError::Pds(error) => of_remote("the account's PDS", error),
            AccountsError::Oauth(_) => Self::away(error.to_string()).after(error.retry_after()),
            AccountsError::Storage(error) => Self::of_storage(error),
        }
    }
}

impl From<ReposError> for OciError {
    fn from(error: ReposError) -> Self {
        match error {
            ReposError::Account(error) => error.into(),
            ReposError::Pds(error) => of_remote("the owner's PDS", error),
            ReposError::Inactive(why) => Self::unknown_owner(why.to_string()),
            // A client need not try again: more do not fit later.
            ReposError::TooManyTags { .. } => Self::invalid(error.to_string()),
            // The PDS does not say that the account is not active. A client that tries again learns nothing.
            ReposError::List(ListError::Refused(status)) if status.is_client_error() => Self::denied(error.to_string()),
            ReposError::List(_)
            | ReposError::TooMany
            | ReposError::TooSlow
            | ReposError::WrongBytes
            | ReposError::Unproven
            | ReposError::Proof(_)
            | ReposError::Changed => {
                tracing::warn!("records of an image cannot be read: {error}");
                Self::away(error.to_string()).after(error.retry_after())
            }
        }
    }
}

impl From<HoldsError> for OciError {
    fn from(error: HoldsError) -> Self {
        use identity::ResolveError as E;
        let text = error.to_string();
        match error {
            HoldsError::None | HoldsError::NotAHold | HoldsError::OtherHost { .. } => Self::denied(text),
            HoldsError::Refused { name, .. } if name == name::INVALID_UPLOAD_ID => Self::upload_unknown(),
            HoldsError::Refused { .. } => Self::denied(text),
            HoldsError::Silent { hold, error: error @ RemoteError::Refused { status, .. } }
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                does_not_answer(&format!("the hold {hold}"), &error)
            }
            HoldsError::Silent { hold, error } => of_remote(&format!("the hold {hold}"), error),
            HoldsError::Unresolved { error: E::NotFound | E::Invalid(_) | E::Unsupported(_), .. } => Self::denied(text),
            HoldsError::Unresolved { error: E::Busy(Overload::Caller), .. } => Self::too_many_requests(text),
            HoldsError::Unresolved { error: E::Busy(_), .. } => Self::unavailable(text),
            HoldsError::Unresolved { .. } => Self::away(text),
            HoldsError::Unsent(error) => does_not_answer("the hold of this image", &error),
            HoldsError::Account(error) => error.into(),
            HoldsError::Repos(error) => error.into(),
        }
    }
}

impl From<ImagesError> for OciError {
    fn from(error: ImagesError) -> Self {
        let text = error.to_string();
        match error {
            ImagesError::Invalid(_) => Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", text),
            ImagesError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", text),
            ImagesError::TagTaken(_) => Self::denied(text),
            ImagesError::OtherDigest(_) => Self::digest_invalid(text),
            ImagesError::QueueFull { .. } => Self::away(text),
            ImagesError::Missing(_) => Self::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", text),
            ImagesError::Repos(error) => error.into(),
            ImagesError::Hold(error) => error.into(),
            ImagesError::Storage(error) => Self::of_storage(error),
        }
    }
}

impl From<UploadsError> for OciError {
    fn from(error: UploadsError) -> Self {
        let text = error.to_string();
        match error {
            UploadsError::Unknown => Self::upload_unknown(),
            UploadsError::WrongDigest => Self::digest_invalid(text),
            UploadsError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", text),
            UploadsError::Bound(UploadBound::Account | UploadBound::Spool) => Self::too_many_requests(text),
            UploadsError::Bound(UploadBound::Total) => Self::unavailable(text),
            UploadsError::Bound(UploadBound::Disk) => Self::no_space("limits.reserve_bytes of it are kept free"),
            UploadsError::Body(fault) => fault.into(),
            UploadsError::Stalled => Self::away(text),
            UploadsError::Hold(error) => error.into(),
            UploadsError::Storage(error) => Self::of_storage(error),
        }
    }
}

/// Returns the error for a failed call to a server behind the registry, which `who` names in messages.
pub(super) fn of_remote(who: &str, error: RemoteError) -> OciError {
    match error {
        RemoteError::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. } => {
            OciError::too_many_requests(format!("{who} takes no more requests at present")).after(error.retry_after())
        }
        RemoteError::Refused { status: StatusCode::INSUFFICIENT_STORAGE, .. } => {
            tracing::warn!("{who} has no space left: {error}");
            let message = format!("{who} has no space left");
            OciError { is_elsewhere: true, ..OciError::new(StatusCode::INSUFFICIENT_STORAGE, "UNAVAILABLE", message) }
        }
        error if error.is_of_a_proxy() => does_not_answer(who, &error),
        RemoteError::Refused { status, ref name, ref message, .. } if status.is_client_error() => {
            OciError::new(StatusCode::FORBIDDEN, "DENIED", format!("{who} refuses it: {name}: {message}"))
        }
        error => does_not_answer(who, &error),
    }
}

fn does_not_answer(who: &str, error: &RemoteError) -> OciError {
    tracing::warn!("{}", with_slowest(format!("{who} does not answer: {error}")));
    OciError::away(format!("{who} does not answer at present")).after(error.retry_after())
}
