//! The facts about a request that its endpoint finds.

use std::net::IpAddr;

use crate::bulkhead::Caller;
use crate::daemon::network_of;
use atproto::syntax::Did;

/// The facts about a request for its log line and its metrics.
#[derive(Debug, Default)]
pub struct Trace {
    /// The index and the name of its endpoint; the name of an XRPC method is its NSID.
    pub endpoint: Option<(usize, &'static str)>,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
    /// The authenticated account.
    pub caller: Option<Did>,
}

impl Trace {
    /// Returns the caller that stands for a request without an authenticated account, by its network.
    #[must_use]
    pub fn network(&self) -> Caller {
        self.client.map_or(Caller::Unknown, |address| Caller::Network(network_of(address)))
    }
}
