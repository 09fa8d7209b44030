//! Errors of outgoing requests, in words that an operator can act on.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::dns::{BoxError, LookUpFailed, NoPublicAddress};

/// Errors of outgoing requests. The text has no address, header or credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The request itself is invalid; nothing was sent.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// The host has no address that may be connected to; nothing was sent.
    #[error("its host has no public address")]
    NotPublic,
    /// The host's name could not be looked up.
    #[error("its name cannot be looked up: {0}")]
    NameLookUp(String),
    /// The host's name does not exist or has no address, by an answer of the DNS; nothing was sent.
    #[error("its name cannot be looked up: {0}")]
    NoSuchName(String),
    /// A firewall or the service's sandbox forbids the connection.
    #[error("a firewall or the service's sandbox (IPAddressDeny=) forbids the connection: {0}")]
    Forbidden(String),
    /// The connection failed: refused, no route, an untrusted certificate.
    #[error("{0}")]
    Connect(String),
    /// The connection ended before the response did. Whether the request was carried out is unknown.
    #[error("{0}")]
    Broken(String),
    /// The time-out was reached.
    #[error("it did not answer within {:.0} s", .0.as_secs_f64().ceil())]
    TimedOut(Duration),
    /// The deadline of the answer had passed; nothing was sent.
    #[error("what was asked before took all the time")]
    NoTime,
    /// The body of the response exceeds this limit in bytes.
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The message of a connection that timed out.
const NO_CONNECTION: &str =
    "connecting timed out; a firewall or the service's sandbox (IPAddressDeny=) may drop the packets";

/// The message of a server that answers a TLS handshake with something else.
const NO_TLS: &str = "it does not speak TLS, which https:// needs: is its port right, or is it http://?";

/// Whether bytes came that are no message of TLS. The connector wraps an error of TLS twice, and an I/O error names the
/// source of what it wraps as its own.
fn is_plain(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    match inner.downcast_ref::<io::Error>() {
        Some(inner) => is_plain(inner),
        None => matches!(inner.downcast_ref(), Some(rustls::Error::InvalidMessage(_))),
    }
}

impl From<&LookUpFailed> for EgressError {
    fn from(failed: &LookUpFailed) -> Self {
        let reason = failed.reason.clone();
        if failed.is_absent { Self::NoSuchName(reason) } else { Self::NameLookUp(reason) }
    }
}

impl EgressError {
    /// Converts an error of a look-up.
    pub(super) fn of_look_up(error: BoxError) -> Self {
        match error.downcast_ref::<LookUpFailed>() {
            _ if error.is::<NoPublicAddress>() => Self::NotPublic,
            Some(failed) => failed.into(),
            None => Self::NameLookUp(error.to_string()),
        }
    }

    /// Converts an error of the HTTP client.
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            if error.is::<NoPublicAddress>() {
                return Self::NotPublic;
            }
            if let Some(failed) = error.downcast_ref::<LookUpFailed>() {
                return failed.into();
            }
            match error.downcast_ref::<io::Error>().map(|error| (error.kind(), error)) {
                Some((io::ErrorKind::PermissionDenied, error)) => return Self::Forbidden(root_cause(error)),
                // The client's own connect time-out: packets to a forbidden address are dropped without an error.
                Some((io::ErrorKind::TimedOut, _)) => return Self::Connect(NO_CONNECTION.into()),
                Some((_, error)) if is_plain(error) => return Self::Connect(NO_TLS.into()),
                _ => {}
            }
            next = error.source();
        }
        let cause = root_cause(error);
        if error.is_connect() { Self::Connect(cause) } else { Self::Broken(cause) }
    }
}

/// Returns the text of the root cause: it is the one that helps ("connection refused", not "client error"), and the
/// only one without an address in it.
#[must_use]
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
