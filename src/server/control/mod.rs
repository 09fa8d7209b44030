//! The admin socket: an operator's commands reach the running daemon through a socket file.
//!
//! An [`Operation`] is one function over the program's subject (a hold, a front end): the daemon runs it for any
//! process that may open the socket file, and a command runs the same function in its own process when no daemon
//! listens. A program lists its operations as an array of [`AdminRoute`]s and hands it to [`serve`]; [`AdminSocket`] is
//! the file, [`AdminClient`] the client. The mode of the file (0600) restricts who may connect; there is no token.
//!
//! The protocol is HTTP/1.1: `POST /<name>` with the operation as JSON. The response is `application/x-ndjson`: lines
//! of progress, then exactly one line with a result or an error; a response without that last line was cut off. An
//! [`Export`] returns bytes instead; an [`Import`] is sent bytes, and its JSON in a header.
//!
//! This room knows no operation, no command line and no terminal.

mod client;
mod error;
mod lines;
mod metrics_socket;
mod operation;
mod recounted;
mod routes;
mod socket_file;

pub use client::{AdminClient, AdminConnection};
pub use error::{AdminError, AdminSocketError};
pub use metrics_socket::{metrics_listeners, serve_metrics};
pub use operation::{ByteStream, Export, Import, Operation, Progress, Reporter};
pub use recounted::Recounted;
pub use routes::{AdminRoute, serve};
pub use socket_file::AdminSocket;
