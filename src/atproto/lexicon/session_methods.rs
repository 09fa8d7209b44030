//! Inputs and outputs of the methods of `com.atproto.server.*` for sessions at an account's PDS.

use serde::{Deserialize, Serialize};

use crate::syntax::Did;

/// The scope of an access token from a session with the account's own password; app passwords give another scope.
pub const MAIN_PASSWORD_SCOPE: &str = "com.atproto.access";

/// Input of `createSession`.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreateSession {
    /// The DID or handle of the account.
    pub identifier: String,
    /// An app password, or the account's own password.
    pub password: String,
}

/// Output of `createSession` and `refreshSession`, as far as it is read. Its tokens are secrets.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionTokens {
    /// The account.
    pub did: Did,
    /// The access token, for calls; valid for an hour or two.
    pub access_jwt: String,
    /// The refresh token, for one `refreshSession`.
    pub refresh_jwt: String,
}

/// Output of `getServiceAuth`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServiceAuth {
    /// The service token.
    pub token: String,
}
