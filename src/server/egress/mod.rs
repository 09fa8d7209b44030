//! The one way out: every HTTP request that a daemon sends goes through a client of this room.
//!
//! A client holds to its [`ClientPolicy`]: where it may connect, how long a connection may take and how many are kept.
//! It follows no redirect, and has a bound for each answer that is read into memory. Bodies stream in both directions.
//! The certificates of the system are loaded once, whoever asks first. An error says in words of the system what stood
//! in the way, and has no address, header or credential in its text.
//!
//! **Invariant:** no other room names a TLS or DNS library or hyper's client side.
//!
//! A client that sends to hosts that strangers name must have [`Reach::Public`]: the name is looked up once, the
//! addresses are checked, and the connection is made to those very addresses, so a name whose answer changes in
//! between gains nothing.

mod address;
mod body;
mod client;
mod dns;
mod error;
mod roots;
mod unix;
mod websocket;

pub use body::{BrokenBody, ClientBody, boxed_body, empty_body, full_body};
pub use client::{AnswerLimits, ClientPolicy, HttpClient, Reach};
pub use dns::{Dns, system_dns};
pub use error::{EgressError, root_cause};
pub use unix::UnixConnection;
pub use websocket::{SocketMessage, WebSocket};
