//! The HTTP API of the hold: translates requests to calls of rooms, and their results to responses.
//!
//! `endpoint` is the table of paths with required access and costs, `dispatch` finds the row and gets the permit,
//! `admission` a place; `xrpc` has one file a method, `refusal` alone converts the rooms' errors to status codes,
//! `subscribe` is the event stream, `page` is the page for browsers. Handlers translate; they have no SQL, no storage
//! and no rule of the domain.

mod admission;
mod blob_access;
mod blob_bytes;
mod dispatch;
mod endpoint;
mod page;
mod part_access;
mod paths;
mod refusal;
mod request;
mod state;
mod subscribe;
mod well_known;
mod xrpc;

pub use admission::Admission;
pub use endpoint::{Access, endpoints};
pub use page::PageCache;
pub use state::ApiState;
pub use subscribe::{SubscriberLimits, Subscribers};
