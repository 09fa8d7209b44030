//! Authorization in a repository: scopes, the registry's own tokens, and the permits made of them.
//! <https://distribution.github.io/distribution/spec/auth/token/>

mod permits;
mod scope;
mod tokens;

pub use permits::{DeletePermit, PullPermit, PushPermit};
pub use scope::{Action, Scope, parse_scopes};
pub use tokens::{Grant, Refresh, TokenError, TokenKeys, Tokens};
