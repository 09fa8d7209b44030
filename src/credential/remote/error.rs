//! Errors of calls to a registry. No text has a secret in it.

use std::io;

use crate::registry::RegistryNameError;
use server::egress::EgressError;

/// Errors of calls to a registry.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The registry has no permitted origin: plain http to another machine.
    #[error(transparent)]
    Name(#[from] RegistryNameError),
    /// The system has no root certificates.
    #[error("no root certificates were found: install ca-certificates, or correct SSL_CERT_FILE where it is set ({0})")]
    Certificates(io::Error),
    /// The registry cannot be reached, or its response breaks a limit.
    #[error("{name} cannot be asked: {error}")]
    Away {
        /// The registry.
        name: String,
        /// The error of the HTTP client.
        error: EgressError,
    },
    /// The registry refused the request.
    #[error("{name} refuses: {words}")]
    Refused {
        /// The registry.
        name: String,
        /// The registry's message, else the HTTP status.
        words: String,
    },
    /// The registry has no device flow.
    #[error("{0} is no registry of ATCR, or has no pages: use docker login")]
    NoDevices(String),
    /// The response is invalid.
    #[error("{0} answers what no registry of ATCR would")]
    Unintelligible(String),
}

/// Errors of polling for a device secret.
#[derive(Debug, thiserror::Error)]
pub enum PollRefusal {
    /// `authorization_pending`: the user has not decided yet.
    #[error("nobody has let this machine in yet")]
    Pending,
    /// `slow_down`: the poll came too soon.
    #[error("it was asked too soon")]
    SlowDown,
    /// `access_denied`: the user denied the device.
    #[error("this machine was refused")]
    Denied,
    /// `expired_token`: the code has expired.
    #[error("nobody let this machine in in time: begin again")]
    Expired,
    /// No answer, a 5xx or 429: the next poll may succeed.
    #[error(transparent)]
    Away(RemoteError),
    /// Any other error: polling again is no use.
    #[error(transparent)]
    Failed(RemoteError),
}
