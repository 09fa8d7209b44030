//! Authorization: makes permits from authenticated accounts and signed URLs.
//!
//! Only this room makes permits, and the type of a handler's argument is the permit that its caller needs. The crew is
//! read for each request.

mod gatekeeper;
mod permits;
mod signed_url;

pub use gatekeeper::{Denied, Gate, RequestCredentials};
pub use permits::{AccountPermit, AdminPermit, ReadPermit, WritePermit};
pub use signed_url::{ReadMethod, SignedPart, SignedRead, SignedUrlError, UrlSigner};
