//! Accounts: owners of images, sign-ins, and the sessions at PDSes that calls are made with.

mod access;
mod attempts;
mod endings;
mod error;
mod inactive;
mod listing;
mod owners;
mod renewal;
mod revocation;
mod sessions;
mod sign_ins;
mod status;
pub mod tables;
mod token_scope;

pub use access::is_open;
pub use endings::ENDS_SOON_US;
pub use error::{AccountsError, SignInError};
pub use owners::Owners;
pub use revocation::{LingeringSession, SessionEnd};
pub use sessions::{Login, SessionId, SessionSettings, Sessions};
pub use sign_ins::{Callback, FailedSignIn, SignIns, SignedIn};
pub use status::Inactive;
pub use tables::SessionSummary;
