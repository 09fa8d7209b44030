//! The HTTP API of the hold: translates requests to calls of rooms, and their results to answers.
//!
//! `endpoint` is the table of paths, who may call them and what they cost, `dispatch` finds the row and gets the permit,
//! `admission` a place; `xrpc` has one file a method, `refusal` alone turns the rooms' errors into status codes,
//! `subscribe` is the event stream, `page` is what a browser is shown. Handlers translate; they hold no SQL, no storage
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
