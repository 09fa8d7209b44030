//! Why a device is not let in.

use server::storage::StorageError;

/// Why devices cannot be asked for or looked at.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// Too many wait, or the account has too many.
    #[error("there are too many devices: take some back, or try again later")]
    TooMany,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Randomness,
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}

/// What a device is told that asks whether it was let in.
#[derive(Debug, thiserror::Error)]
pub enum PollRefusal {
    /// Nobody decided yet.
    #[error("nobody has let this device in yet")]
    Pending,
    /// It asks too often, and is to wait longer from now on.
    #[error("asked too soon: wait longer")]
    TooSoon,
    /// Nobody decided in time, or the code is none.
    #[error("the code is none, was used up or has expired: begin again")]
    Expired,
    /// Another program asked for the code.
    #[error("the code is that of another client_id")]
    OtherClient,
    /// A person said no.
    #[error("the device was not let in")]
    Denied,
    /// It cannot be told.
    #[error(transparent)]
    Failed(#[from] DevicesError),
}

impl PollRefusal {
    /// The name on the wire. <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
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
