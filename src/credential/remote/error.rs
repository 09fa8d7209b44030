//! Why a registry does not do what it was asked for. No text has a secret in it.

use std::io;

use crate::registry::RegistryNameError;
use server::egress::EgressError;

/// Why a registry does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It may not be called at this address.
    #[error(transparent)]
    Name(#[from] RegistryNameError),
    /// The system has no root certificates.
    #[error("the system's root certificates cannot be read: {0}")]
    Certificates(io::Error),
    /// It cannot be reached, or does not answer as a registry does.
    #[error("{name} cannot be asked: {error}")]
    Away {
        /// The registry.
        name: String,
        /// Why.
        error: EgressError,
    },
    /// It says no.
    #[error("{name} refuses: {words}")]
    Refused {
        /// The registry.
        name: String,
        /// What it says.
        words: String,
    },
    /// It knows no devices.
    #[error("{0} is no registry of ATCR, or has no pages: use docker login")]
    NoDevices(String),
    /// It answers something else.
    #[error("{0} answers what no registry of ATCR would")]
    Unintelligible(String),
}

/// Why a machine has no secret yet.
#[derive(Debug, thiserror::Error)]
pub enum PollRefusal {
    /// Nobody has decided yet.
    #[error("nobody has let this machine in yet")]
    Pending,
    /// It was asked too soon.
    #[error("it was asked too soon")]
    SlowDown,
    /// Somebody said no.
    #[error("this machine was refused")]
    Denied,
    /// The code is good no more.
    #[error("nobody let this machine in in time: begin again")]
    Expired,
    /// It did not answer; it may the next time.
    #[error(transparent)]
    Away(RemoteError),
    /// It will not.
    #[error(transparent)]
    Failed(RemoteError),
}
