//! Errors of adding and testing a webhook.

use server::storage::StorageError;

/// Errors of adding and testing a webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    /// The URL is not valid, or its host may not be connected to.
    #[error("the address cannot be used: {0}")]
    Address(String),
    /// The secret is not valid.
    #[error("a secret has 16 to 256 characters of ASCII, without spaces; leave it empty, and one is made")]
    Secret,
    /// The repository or the account has reached its limit of webhooks.
    #[error("there are as many webhooks as this repository or your account may have: delete one first")]
    TooMany,
    /// All accounts together have reached the limit of webhooks.
    #[error("this registry has as many webhooks as it may have: ask who runs it")]
    Full,
    /// The repository has a webhook with this URL.
    #[error("this repository has a webhook for this address already")]
    Known,
    /// Webhooks are switched off on this registry.
    #[error("this registry has no webhooks")]
    Off,
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
}
