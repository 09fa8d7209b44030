//! The identities of other accounts: their DID documents, read from the network.
//!
//! The resolver supports did:plc and did:web, and caches documents. It treats every DID as untrusted text: no look-up
//! may reach a private network, exceed its limits of time and memory, or delay those of others. With the same guard it
//! asks an account's PDS whether a session token is valid. It knows nothing of a token's claims or of crew.
//! <https://atproto.com/specs/did>

mod account;
mod asker;
mod fetch;
mod handle;
mod health;
mod kept;
mod location;
mod pool;
mod repo_records;
mod resolver;
mod session;
mod single_flight;

pub use account::Account;
pub use asker::{Asker, Pool};
pub use kept::KeptDocuments;
pub use location::PdsUrl;
pub use repo_records::{ListError, MAX_PAGE_RECORDS};
pub use resolver::{LookUpResult, Resolver, ResolverSettings};
pub use session::{SessionError, SessionKey, SessionQuestion, Sessions};

use crate::bulkhead::Overload;

/// Errors of resolving a DID to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The DID does not exist, or was deactivated.
    #[error("no such DID")]
    NotFound,
    /// The DID document is invalid or unusable. Its owner must repair it.
    #[error("the DID document cannot be used: {0}")]
    Invalid(&'static str),
    /// The DID is neither a did:plc nor a did:web of a host name.
    #[error("DIDs of this form are not resolved: {0}")]
    Unsupported(&'static str),
    /// The source refuses the DID document at present. The same look-up may succeed later.
    #[error("the source of the DID document refuses it: {0}")]
    Refused(&'static str),
    /// The source does not answer, and no cached document is young enough. Try again later.
    #[error("the source of the DID document cannot be reached")]
    Unreachable,
    /// Too many concurrent look-ups, of all callers or of this one. Try again soon.
    #[error("too many DID look-ups at once")]
    Busy(Overload),
}

/// Errors of creating a resolver.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The PLC directory's URL is invalid.
    #[error("the PLC directory's URL must be https:// and a host (http:// in test mode only), without a query")]
    PlcDirectory,
    /// No certificate of the system's store could be loaded.
    #[error(
        "no root certificates were found: install ca-certificates, or correct SSL_CERT_FILE and SSL_CERT_DIR where they are \
         set ({0})"
    )]
    Roots(#[source] std::io::Error),
}
