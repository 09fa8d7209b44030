//! docker: the protocol of credential helpers, and docker's configuration file, which names them.

mod config;
mod protocol;

pub use config::{ConfigError, DockerConfig};
pub use protocol::{MAX_INPUT_BYTES, ProtocolError, erase, get, list, store};
