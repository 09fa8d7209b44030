//! Why a webhook is not added or used.

use server::storage::StorageError;

/// Why a webhook is not added or used.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// The address cannot be told anything.
    #[error("the address cannot be used: {0}")]
    Address(String),
    /// The secret is none.
    #[error("a secret has 16 to 256 characters of ASCII, without spaces; leave it empty, and one is made")]
    Secret,
    /// The repository or the account has as many as it may have.
    #[error("there are as many webhooks as this repository or your account may have: delete one first")]
    TooMany,
    /// All accounts together have as many as there may be.
    #[error("this registry has as many webhooks as it may have: ask who runs it")]
    Full,
    /// The repository has this one.
    #[error("this repository has a webhook for this address already")]
    Known,
    /// The registry has none.
    #[error("this registry has no webhooks")]
    Off,
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}
