//! The one way out: every HTTP request that a daemon sends goes through a client of this room.
//!
//! A client follows its [`ClientPolicy`]: the hosts that it may connect to, time-outs, and the number of connections
//! kept. It follows no redirect, and has a limit for each response that is read into memory. Bodies stream in both
//! directions. Calls for one answer have one deadline (`deadline`). The certificates of the system are loaded once, at the
//! first use. An error has the system's words for the cause, and no address, header or credential in its text.
//!
//! **Invariant:** no other room names a TLS or DNS library or hyper's client side.
//!
//! A client that sends to hosts named by strangers must have [`Reach::Public`]: the name is looked up once, the
//! addresses are checked, and the connection is made to those very addresses, so that a changed DNS answer (DNS
//! rebinding) gains nothing.

mod address;
mod asked;
mod body;
mod client;
mod deadline;
mod dns;
mod error;
mod retry_after;
mod roots;
mod txt;
mod unix;
mod websocket;

pub use asked::{Asked, carried};
pub use body::{BrokenBody, ClientBody, boxed_body, empty_body, full_body};
pub use client::{AnswerLimits, ClientPolicy, HttpClient};
pub use deadline::{answer_within, wait_for, with_slowest, without_deadline};
pub use dns::{Dns, Reach, system_dns};
pub use error::{EgressError, root_cause};
pub use retry_after::{retry_after, retry_after_by_date};
pub use txt::{Txt, system_txt};
pub use unix::UnixConnection;
pub use websocket::{SocketMessage, WebSocket};
