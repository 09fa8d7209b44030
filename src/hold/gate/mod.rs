//! What a caller may do: makes permits of authenticated accounts and signed URLs.
//!
//! Only this room makes permits, and a handler's arguments say which one its caller must have. The crew is read at every
//! question.

mod gatekeeper;
mod permits;
mod signed_url;

pub use gatekeeper::{Denied, Gate, RequestCredentials};
pub use permits::{AccountPermit, AdminPermit, ReadPermit, WritePermit};
pub use signed_url::{ReadMethod, SignedPart, SignedRead, SignedUrlError, UrlSigner};
