//! The callers of a bulkhead.

use std::net::IpAddr;

use atproto::syntax::Did;

/// A caller, which has a share of a resource that many use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// An authenticated account.
    Account(Did),
    /// An unauthenticated peer, by its network: an IPv4 address or a /64 of IPv6.
    Network(IpAddr),
    /// A peer behind a local proxy that does not forward its address.
    Unknown,
    /// The program's own jobs.
    Program,
}
