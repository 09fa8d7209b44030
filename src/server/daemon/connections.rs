//! The open connections of some sockets: their number, in all and by address, and which of them are idle.
//!
//! A server has a limited number of connections. One address gets a share of them, the last places are for addresses
//! that have none, and when all are taken the longest idle connection is closed for a new one. A reverse proxy (a local
//! peer at a Unix socket, or a trusted address) forwards for many peers and has no share of its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::listeners::Address;
use super::socket_metrics::SocketMetrics;
use crate::nonpoison::{Mutex, MutexGuard};
use atproto::syntax::millis;

/// The least time between two log lines about connections that were refused or closed.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The limits of open connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Limit of all connections. One beyond it waits in the kernel's backlog, unless an idle one can be closed for it.
    pub total: usize,
    /// Limit of one address, or of one /64 of IPv6.
    pub per_address: usize,
    /// Addresses of proxies, which forward for many peers and have no share.
    pub proxies: Vec<IpAddr>,
}

impl ConnectionLimits {
    /// Returns limits of `total` connections, without a limit by address.
    #[must_use]
    pub fn total(total: usize) -> Self {
        Self { total, per_address: total, proxies: Vec::new() }
    }

    /// Returns the number of places kept for addresses without a connection and for local peers: one in sixteen.
    fn reserve(&self) -> usize {
        if self.per_address < self.total { self.total / 16 } else { 0 }
    }
}

/// Tracks whether a request is under way on a connection. A connection is idle until its first request, and between
/// two.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Entry>);

/// A request under way on a connection. Dropping it ends the request.
#[derive(Debug)]
pub struct Busy(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    began: Instant,
    /// Requests under way.
    busy: AtomicU64,
    /// Start of the last idle time, milliseconds after `began`.
    idle_since_ms: AtomicU64,
    evict: CancellationToken,
    network: Option<IpAddr>,
}

impl Activity {
    /// Notes that a request begins. It ends when the guard is dropped.
    #[must_use]
    pub fn busy(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// Whether no request is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.idle_since().is_some()
    }
}

impl Default for Activity {
    /// Returns the activity of a connection outside all limits.
    fn default() -> Self {
        Self(Arc::new(Entry::new(None)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let ms = millis(self.0.began.elapsed());
        self.0.idle_since_ms.store(ms, Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entry {
    fn new(network: Option<IpAddr>) -> Self {
        Self {
            began: Instant::now(),
            busy: AtomicU64::new(0),
            idle_since_ms: AtomicU64::new(0),
            evict: CancellationToken::new(),
            network,
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.busy.load(Ordering::Relaxed) == 0;
        is_idle.then(|| self.began + Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed)))
    }
}

/// The connections of some sockets.
pub(super) struct Connections {
    limits: ConnectionLimits,
    metrics: Arc<SocketMetrics>,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<u64, Arc<Entry>>,
    by_network: HashMap<IpAddr, usize>,
    next_id: u64,
    logged: Option<Instant>,
    /// Connections that were accepted, and wait for a place.
    waiting: usize,
}

/// A connection that waits for a place.
struct Waiting<'c>(&'c Connections);

impl<'c> Waiting<'c> {
    fn of(connections: &'c Connections) -> Self {
        connections.state().waiting += 1;
        Self(connections)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// The place of a connection. Dropping it frees the place.
pub(super) struct Slot {
    id: u64,
    entry: Arc<Entry>,
    connections: Arc<Connections>,
}

impl Slot {
    pub(super) fn activity(&self) -> Activity {
        Activity(Arc::clone(&self.entry))
    }

    /// Returns the token that is cancelled when the connection has to give its place to another one.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.entry.evict.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        state.open.remove(&self.id);
        if let Some(network) = self.entry.network
            && let Some(count) = state.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                state.by_network.remove(&network);
            }
        }
        drop(state);
        self.connections.freed.notify_one();
    }
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits, metrics: Arc<SocketMetrics>) -> Arc<Self> {
        Arc::new(Self { limits, metrics, state: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until there is a place for a connection that was accepted. When all are taken, evicts the longest idle
    /// one.
    pub(super) async fn wait_for_place(&self) {
        let _waiting = Waiting::of(self);
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.open.len() < self.limits.total {
                    return;
                }
                // One that was evicted and has not ended yet makes room for one that waits.
                if state.leaving() < state.waiting && state.evict_idle(None) {
                    self.metrics.evicted.inc();
                    state.log("all places for connections are taken: idle ones are closed", None);
                }
            }
            // Also after an eviction: the place is free once the evicted connection's task has ended.
            freed.await;
        }
    }

    /// Returns a place for a connection that was accepted, or `None` when its address has its share: the caller closes
    /// it then.
    pub(super) fn admit(self: &Arc<Self>, address: &Address) -> Option<Slot> {
        let network = match address {
            Address::Tcp(address) if self.limits.proxies.contains(&address.ip().to_canonical()) => None,
            Address::Tcp(address) => Some(network_of(address.ip())),
            Address::Unix => None,
        };
        let mut state = self.state();
        let of_network = network.and_then(|network| state.by_network.get(&network).copied()).unwrap_or(0);
        let reserved = of_network > 0 && state.open.len() + self.limits.reserve() >= self.limits.total;
        if of_network >= self.limits.per_address || reserved {
            // An idle one of the same address is evicted for its next connection; this one would exceed the share until
            // then.
            if state.evict_idle(network) {
                self.metrics.evicted.inc();
            }
            self.metrics.refused.inc();
            state.log("an address has its share of connections: more of it are closed", network);
            return None;
        }
        let entry = Arc::new(Entry::new(network));
        let id = state.next_id;
        state.next_id += 1;
        state.open.insert(id, Arc::clone(&entry));
        if let Some(network) = network {
            *state.by_network.entry(network).or_default() += 1;
        }
        Some(Slot { id, entry, connections: Arc::clone(self) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Evicts the longest idle connection, of `network` if it is named; returns whether there was one.
    fn evict_idle(&self, network: Option<IpAddr>) -> bool {
        let candidates = self.open.values().filter(|entry| !entry.evict.is_cancelled());
        let of_network = candidates.filter(|entry| network.is_none() || entry.network == network);
        let idle = of_network.filter_map(|entry| entry.idle_since().map(|since| (since, entry)));
        match idle.min_by_key(|(since, _)| *since) {
            Some((_, entry)) => {
                entry.evict.cancel();
                true
            }
            None => false,
        }
    }

    /// Returns the number of connections that were evicted, and have not ended yet.
    fn leaving(&self) -> usize {
        self.open.values().filter(|entry| entry.evict.is_cancelled()).count()
    }

    fn log(&mut self, message: &'static str, network: Option<IpAddr>) {
        if self.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
            self.logged = Some(Instant::now());
            let (open, network) = (self.open.len(), network.map(|network| network.to_string()));
            tracing::warn!(open, peer = network, "{message}");
        }
    }
}

/// Returns the network that one customer of a provider usually has: an IPv4 address, or a /64 of IPv6.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_idle_connection_makes_room_for_one() {
        let connections = Connections::new(ConnectionLimits::total(2), Arc::default());
        let admitted = || connections.admit(&Address::Unix).unwrap();
        // Nobody waits for this place.
        drop(admitted());
        let slots = [admitted(), admitted()];
        let mut place = Box::pin(connections.wait_for_place());
        for _ in 0..3 {
            assert!(place.as_mut().now_or_never().is_none(), "the evicted one has not ended yet");
        }
        let (evicted, others): (Vec<_>, Vec<_>) = slots.into_iter().partition(|slot| slot.evicted().is_cancelled());
        assert_eq!((evicted.len(), others.len()), (1, 1));
        drop(evicted);
        place.await;
        assert_eq!(connections.metrics.evicted.get(), 1);
    }

    #[tokio::test]
    async fn who_waits_while_another_one_takes_the_place_gets_the_next() {
        let connections = Connections::new(ConnectionLimits::total(2), Arc::default());
        let admitted = || connections.admit(&Address::Unix).unwrap();
        let slots = [admitted(), admitted()];
        let mut place = Box::pin(connections.wait_for_place());
        assert!(place.as_mut().now_or_never().is_none());
        let (evicted, others): (Vec<_>, Vec<_>) = slots.into_iter().partition(|slot| slot.evicted().is_cancelled());
        drop(evicted);
        // Of another socket.
        let busy = admitted();
        let _request = busy.activity().busy();
        assert!(place.as_mut().now_or_never().is_none());
        assert!(others[0].evicted().is_cancelled());
        drop(others);
        place.await;
        assert_eq!(connections.state().waiting, 0);
    }
}
