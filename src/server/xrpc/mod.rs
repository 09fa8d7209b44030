//! The conventions of an HTTP API on the AT Protocol: query parameters, JSON bodies, errors, CORS, request ids, request
//! metrics and the log line of each request.
//!
//! [`answer`] handles every request: it knows a [`Program`] and its [`Refusal`]s, and no path and no error format. The
//! rest serves programs that speak XRPC: [`Error`] is its error envelope, [`route`] finds the row of an endpoint table.
//! <https://atproto.com/specs/xrpc>

mod body;
mod client;
mod conditional;
mod cors;
mod endpoint;
mod error;
mod log;
mod metrics;
mod public;
mod query;
mod refusal;
pub mod response;
mod service;
mod trace;

pub use body::{JSON_BYTES, header, json, json_or_default};
pub use client::client_address;
pub use conditional::{is_known, not_modified};
pub use endpoint::{Route, Verbs, route};
pub use error::Error;
pub use metrics::{Elsewhere, RequestMetrics};
pub use public::Public;
pub use query::Query;
pub use refusal::{Cause, Refusal};
pub use service::{Front, Program, answer};
pub use trace::Trace;
