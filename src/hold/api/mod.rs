//! The wire: from a socket's bytes to a room's answer and back.
//!
//! `connection` speaks HTTP/1.1, `subscribe` the WebSocket that may follow, `endpoint` is the table of paths and who
//! may call them, `dispatch` gets the permit and writes the log line, `xrpc` has one file a method, `error` alone turns
//! refusals into status codes; `page` is what a browser is shown.
//! Handlers translate; they hold no SQL, no storage and no rule of the domain.

mod admission;
mod blob_access;
mod blob_bytes;
mod dispatch;
mod endpoint;
mod error;
mod page;
mod part_access;
mod request;
mod response;
mod state;
mod subscribe;
mod traffic;
mod well_known;
mod xrpc;

pub use admission::{Admission, Caller};
pub use dispatch::answer;
pub use endpoint::{Access, Verbs, endpoints};
pub use page::Page;
pub use state::State;
pub use subscribe::Subscribers;
pub use traffic::Traffic;
