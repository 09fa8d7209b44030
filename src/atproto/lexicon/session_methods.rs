//! Inputs and outputs of `com.atproto.server.*` by which a client has a session at an account's PDS.

use serde::{Deserialize, Serialize};

use crate::syntax::Did;

/// The scope of an access token that an account's own password gave; an app password gives another.
pub const MAIN_PASSWORD_SCOPE: &str = "com.atproto.access";

/// Input of `createSession`.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreateSession {
    /// DID or handle.
    pub identifier: String,
    /// An app password, or the account's own.
    pub password: String,
}

/// Output of `createSession` and `refreshSession`: what is read of it. Its tokens are secrets.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionTokens {
    /// The account.
    pub did: Did,
    /// For calls, good for an hour or two.
    pub access_jwt: String,
    /// For the next `refreshSession`, once.
    pub refresh_jwt: String,
}

/// Output of `getServiceAuth`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServiceAuth {
    /// The service token.
    pub token: String,
}
