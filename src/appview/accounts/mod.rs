//! Accounts: who owns an image, who signs in, and the sessions at their PDSes that calls are made with.

mod error;
mod owners;
mod sessions;
pub mod tables;

pub use error::AccountsError;
pub use owners::Owners;
pub use sessions::{Login, SessionId, SessionSettings, Sessions};
