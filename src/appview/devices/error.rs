//! Errors of devices, and of requests for them.

use server::storage::StorageError;

/// Errors of making, reading and changing devices.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// Too many requests wait, of all networks or of this one.
    #[error("too many devices wait to be let in: try again in some minutes")]
    TooManyRequests,
    /// The account has too many devices.
    #[error("you have as many devices as an account may have: take one back first")]
    TooManyDevices,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}

/// Answers to a program that polls for its device's secret, other than the secret.
#[derive(Debug, thiserror::Error)]
pub enum PollRefusal {
    /// Nobody has decided yet.
    #[error("nobody has let this device in yet")]
    Pending,
    /// The program polls too often, and must wait longer from now on.
    #[error("asked too soon: wait longer")]
    TooSoon,
    /// There is no such code, or it was used up or has expired.
    #[error("the code is none, was used up or has expired: begin again")]
    Expired,
    /// Another program made the request.
    #[error("the code is that of another client_id")]
    OtherClient,
    /// The person denied the request.
    #[error("the device was not let in")]
    Denied,
    /// The poll failed here: no random numbers, or an error of the database.
    #[error(transparent)]
    Failed(#[from] DevicesError),
}

impl PollRefusal {
    /// Returns the error code on the wire. <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "authorization_pending",
            Self::TooSoon => "slow_down",
            Self::Expired => "expired_token",
            Self::OtherClient => "invalid_grant",
            Self::Denied => "access_denied",
            Self::Failed(_) => "server_error",
        }
    }
}
