//! Errors of pages and forms: a status, and a message for people. Internal failures are logged.
//!
//! No error loses what a person wrote: a short form is shown again with it, and the page of the error has a long text.

use std::fmt::Display;

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::json;

use super::responses::{uncached, with_status};
use super::return_path::ReturnPath;
use crate::accounts::{AccountsError, FailedSignIn, Inactive, SignInError};
use crate::catalog::LookUpError;
use crate::devices::DevicesError;
use crate::holds::HoldsError;
use crate::images::ImagesError;
use crate::oauth::OauthError;
use crate::remote::RemoteError;
use crate::repos::ReposError;
use crate::webhooks::WebhooksError;
use server::bulkhead::Overload;
use server::egress::with_slowest;
use server::identity::ResolveError;
use server::storage::StorageError;
use server::wire::Response;
use server::xrpc::{Elsewhere, response};

/// An error of a page or a form.
#[derive(Debug)]
pub(super) struct WebError {
    pub(super) status: StatusCode,
    /// The `error` for programs. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
    pub(super) name: &'static str,
    pub(super) message: String,
    /// Seconds for `Retry-After`, of limits and of servers that do not answer.
    pub(super) retry_s: Option<u64>,
    /// Whether another server caused it.
    is_elsewhere: bool,
    /// Whether a form came without the token of the browser's cookie, as after a sign-in in another tab.
    pub(super) is_forged: bool,
    /// A text that the form had, for the person to send again.
    pub(super) written: Option<Box<Written>>,
    /// The page that a sign-in which failed was to return to.
    pub(super) return_to: Option<ReturnPath>,
}

/// A text for the page of a repository that was not saved.
#[derive(Debug)]
pub(super) struct Written {
    /// The repository, as the form named it.
    pub(super) name: String,
    pub(super) text: String,
}

/// Longest message on a page: it may have text of other servers.
const MAX_MESSAGE_CHARS: usize = 1000;

/// Seconds to retry after a server did not answer, or no slot was free.
const RETRY_S: u64 = 5;
/// Seconds to retry after a limit of sign-ins or device requests, some of which end or expire by then.
const RETRY_BEGUN_S: u64 = 60;

impl WebError {
    pub(super) fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            name,
            message,
            retry_s: None,
            is_elsewhere: false,
            is_forged: false,
            written: None,
            return_to: None,
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this is not how this address is used")
    }

    pub(super) fn bad_form(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 415 for a body of another media type.
    pub(super) fn other_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", message)
    }

    /// 403 for a form that another site may have sent.
    pub(super) fn forged() -> Self {
        let message = "this form is too old, or came from elsewhere: open the page again, with cookies allowed";
        Self { is_forged: true, ..Self::new(StatusCode::FORBIDDEN, "access_denied", message) }
    }

    /// 403 for a form of ours that another tab has made worthless, and which is shown anew.
    pub(super) fn outdated() -> Self {
        let message = "this form was too old: send it again, with cookies allowed";
        Self::new(StatusCode::FORBIDDEN, "access_denied", message)
    }

    pub(super) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", message).after(RETRY_S)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", message).after(RETRY_S)
    }

    /// [`WebError::unavailable`] for another server's sake.
    pub(super) fn away(message: impl Into<String>) -> Self {
        Self { is_elsewhere: true, ..Self::unavailable(with_slowest(message.into())) }
    }

    /// 504 for a server that is too slow.
    pub(super) fn late(message: impl Into<String>) -> Self {
        let message = with_slowest(message.into());
        let late = Self::new(StatusCode::GATEWAY_TIMEOUT, "temporarily_unavailable", message);
        Self { is_elsewhere: true, ..late }
    }

    /// Sets the seconds for `Retry-After`.
    pub(super) fn after(self, retry_s: u64) -> Self {
        Self { retry_s: Some(retry_s), ..self }
    }

    /// Keeps a text that the form had.
    pub(super) fn with_written(self, written: Written) -> Self {
        Self { written: Some(Box::new(written)), ..self }
    }

    /// Returns the message as one line for people.
    pub(super) fn sentence(&self) -> String {
        server::text::line(&self.message, MAX_MESSAGE_CHARS).unwrap_or_default()
    }

    /// Gives a response the status of the error, and its `Retry-After`. The log has the reason where another server is to
    /// blame: the request's own line has the status alone.
    pub(super) fn mark(&self, response: Response) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::INTERNAL_SERVER_ERROR {
            tracing::info!("a page or a form failed with {}: {}", self.status.as_u16(), self.sentence());
        }
        let mut response = with_status(response, self.status);
        if self.is_elsewhere {
            response.extensions_mut().insert(Elsewhere);
        }
        if let Some(seconds) = self.retry_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// 502 for a wrong response of another server.
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        let message = with_slowest(message.into());
        let wrong = Self::new(StatusCode::BAD_GATEWAY, "temporarily_unavailable", message);
        Self { is_elsewhere: true, ..wrong }
    }

    pub(super) fn internal(detail: impl Display) -> Self {
        tracing::error!("a page failed: {detail}");
        let message = "the registry failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// Returns the error as an OAuth error in JSON, for programs.
    pub(super) fn into_json(self) -> Response {
        let body = json!({ "error": self.name, "error_description": self.message });
        uncached(self.mark(response::json(&body)))
    }
}

impl From<StorageError> for WebError {
    fn from(error: StorageError) -> Self {
        Self::internal(error)
    }
}

impl From<Overload> for WebError {
    fn from(overload: Overload) -> Self {
        match overload {
            Overload::Caller => Self::too_many(overload.to_string()),
            Overload::Server => Self::unavailable(overload.to_string()),
        }
    }
}

impl From<DevicesError> for WebError {
    fn from(error: DevicesError) -> Self {
        match error {
            DevicesError::TooManyRequests => Self::too_many(error.to_string()).after(RETRY_BEGUN_S),
            DevicesError::TooManyDevices => Self::bad_form(error.to_string()),
            DevicesError::Randomness | DevicesError::Storage(_) => Self::internal(error),
        }
    }
}

impl From<WebhooksError> for WebError {
    fn from(error: WebhooksError) -> Self {
        match error {
            WebhooksError::Storage(error) => error.into(),
            WebhooksError::Off => Self::not_found(error.to_string()),
            WebhooksError::Full => Self::unavailable(error.to_string()),
            error => Self::bad_form(error.to_string()),
        }
    }
}

impl From<ResolveError> for WebError {
    fn from(error: ResolveError) -> Self {
        let message = format!("the account: {error}");
        match error {
            ResolveError::NotFound | ResolveError::Invalid(_) | ResolveError::Unsupported(_) => Self::bad_form(message),
            ResolveError::Busy(Overload::Caller) => Self::too_many(message),
            ResolveError::Busy(Overload::Server) => Self::unavailable(message),
            ResolveError::Refused(_) | ResolveError::Unreachable => Self::away(message),
        }
    }
}

impl From<FailedSignIn> for WebError {
    fn from(FailedSignIn { error, return_to }: FailedSignIn) -> Self {
        Self { return_to: return_to.as_deref().and_then(ReturnPath::parse), ..error.into() }
    }
}

impl From<SignInError> for WebError {
    fn from(error: SignInError) -> Self {
        let message = error.to_string();
        match error {
            SignInError::Unknown | SignInError::OtherServer | SignInError::NoServer { .. } => Self::bad_form(message),
            SignInError::Refused | SignInError::NotItsAccount => {
                Self::new(StatusCode::FORBIDDEN, "access_denied", message)
            }
            SignInError::TooMany => Self::unavailable(message).after(RETRY_BEGUN_S),
            SignInError::Account(AccountsError::Identity(error)) => error.into(),
            SignInError::Account(AccountsError::Storage(error)) => error.into(),
            SignInError::Account(AccountsError::Inactive(_) | AccountsError::SessionEnded) => {
                Self::new(StatusCode::FORBIDDEN, "access_denied", message)
            }
            SignInError::Account(AccountsError::Oauth(OauthError::Randomness)) => Self::internal(message),
            SignInError::Account(AccountsError::Oauth(OauthError::OtherAccount | OauthError::Scope(_))) => {
                Self::new(StatusCode::FORBIDDEN, "access_denied", message)
            }
            SignInError::Account(_) => Self::wrong(message),
        }
    }
}

impl From<AccountsError> for WebError {
    fn from(error: AccountsError) -> Self {
        SignInError::Account(error).into()
    }
}

impl From<HoldsError> for WebError {
    fn from(error: HoldsError) -> Self {
        match error {
            HoldsError::Account(error) => error.into(),
            HoldsError::Repos(error) => error.into(),
            error => Self::wrong(error.to_string()),
        }
    }
}

impl WebError {
    /// Returns the error for records, or something else that `what` names, which could not be had.
    pub(super) fn of_look_up(what: &str, error: &LookUpError) -> Self {
        match error {
            LookUpError::Failed(reason) => Self::away(format!("{what}: {reason}")),
            LookUpError::Absent(reason) => Self::not_found(format!("{what}: {reason}")),
            LookUpError::Inactive(why) => (*why).into(),
        }
    }
}

impl From<Inactive> for WebError {
    fn from(why: Inactive) -> Self {
        Self::not_found(why.to_string())
    }
}

impl From<ReposError> for WebError {
    fn from(error: ReposError) -> Self {
        match error {
            ReposError::Inactive(why) => why.into(),
            ReposError::Account(AccountsError::Pds(RemoteError::Refused { status: StatusCode::FORBIDDEN, .. })) => {
                let message = "your sign-in does not allow this yet: sign in again";
                Self::new(StatusCode::FORBIDDEN, "access_denied", message)
            }
            ReposError::Account(error) => error.into(),
            ReposError::TooManyTags { .. } => Self::bad_form(error.to_string()),
            error => Self::away(error.to_string()),
        }
    }
}

impl From<ImagesError> for WebError {
    fn from(error: ImagesError) -> Self {
        match error {
            ImagesError::Repos(error) => error.into(),
            ImagesError::Storage(error) => error.into(),
            ImagesError::Hold(error) => error.into(),
            error => Self::bad_form(error.to_string()),
        }
    }
}
