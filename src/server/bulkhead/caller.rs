//! Who asks for a place.

use std::net::IpAddr;

use atproto::syntax::Did;

/// Who has a share of what many use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Whoever proved to be this account.
    Account(Did),
    /// Whoever comes from this network: an IPv4 address or a /64 of IPv6.
    Network(IpAddr),
    /// Whoever comes through a local proxy that does not say for whom.
    Unknown,
    /// The program's own jobs.
    Program,
}
