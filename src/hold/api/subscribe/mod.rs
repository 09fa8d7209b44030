//! Subscriptions over WebSocket: the session, and the limit of their number.
//!
//! It sends the frames of an event stream and does not know their content. The frames of WebSocket itself are handled
//! by tokio-tungstenite. <https://www.rfc-editor.org/rfc/rfc6455>, <https://atproto.com/specs/event-stream>

pub(super) mod session;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::api::refusal;
use server::daemon::network_of;
use server::metrics::CounterBy;
use server::nonpoison::{Mutex, MutexGuard};
use server::xrpc::Error;

/// The limits of the number of subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberLimits {
    /// Limit of all. The last quarter is a reserve, of which one address gets one place at most.
    pub total: usize,
    /// Limit of one address, or of one /64 of IPv6.
    pub per_address: usize,
}

server::label! {
    /// Reasons why a subscriber was refused.
    pub enum SubscriberRefusal {
        /// All places are taken.
        Full = "full",
        /// Its address has its share.
        Address = "address",
        /// The remaining places are for addresses that have none yet.
        Reserve = "reserve",
    }
}

/// Places for subscribers. Cheap to clone.
#[derive(Clone)]
pub struct Subscribers(Arc<Places>);

struct Places {
    limits: SubscriberLimits,
    /// Number of places by network; clients without a known address count as one network. No entry is zero.
    held: Mutex<HashMap<Option<IpAddr>, usize>>,
    refused: CounterBy<SubscriberRefusal>,
}

/// A subscriber's place. Dropping it frees the place.
pub(in crate::api) struct SubscriberPlace {
    places: Arc<Places>,
    network: Option<IpAddr>,
}

impl Subscribers {
    /// Creates the places, all free.
    #[must_use]
    pub fn new(limits: SubscriberLimits) -> Self {
        Self(Arc::new(Places { limits, held: Mutex::default(), refused: CounterBy::default() }))
    }

    /// Returns the number of refused subscribers, by reason.
    #[must_use]
    pub fn refused(&self) -> &CounterBy<SubscriberRefusal> {
        &self.0.refused
    }

    /// Takes a place for a client at `address`; `None` when the address is not known.
    ///
    /// # Errors
    /// 429 when the client's address has its share, 503 when others hold the places.
    pub(super) fn place(&self, address: Option<IpAddr>) -> Result<SubscriberPlace, Error> {
        let network = address.map(network_of);
        let refusal = match self.0.take(network) {
            Ok(()) => return Ok(SubscriberPlace { places: Arc::clone(&self.0), network }),
            Err(refusal) => refusal,
        };
        self.0.refused.inc(refusal);
        let client = network.map_or_else(|| "clients that no proxy names".to_owned(), |network| network.to_string());
        match refusal {
            SubscriberRefusal::Full => {
                tracing::warn!(client, "subscriber refused: all {} places are taken", self.0.limits.total);
                Err(refusal::too_many_subscribers())
            }
            SubscriberRefusal::Address | SubscriberRefusal::Reserve => {
                tracing::info!(client, "subscriber refused: {client} has its share of the places");
                Err(refusal::too_many_subscribers_of_address())
            }
        }
    }
}

impl Places {
    fn held(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, usize>> {
        self.held.lock()
    }

    fn take(&self, network: Option<IpAddr>) -> Result<(), SubscriberRefusal> {
        let SubscriberLimits { total, per_address } = self.limits;
        let reserve = total / 4;
        let mut held = self.held();
        let taken: usize = held.values().sum();
        let own = held.get(&network).copied().unwrap_or(0);
        // The network of unknown addresses stands for many clients.
        let share = if network.is_some() { per_address } else { total - reserve };
        if taken >= total {
            return Err(SubscriberRefusal::Full);
        }
        if own >= share {
            return Err(SubscriberRefusal::Address);
        }
        if own > 0 && taken >= total - reserve {
            return Err(SubscriberRefusal::Reserve);
        }
        *held.entry(network).or_default() += 1;
        Ok(())
    }
}

impl Drop for SubscriberPlace {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(own) = held.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, number]))
    }

    fn refused(subscribers: &Subscribers, address: Option<IpAddr>) -> u16 {
        subscribers.place(address).err().map_or(101, |error| error.status().as_u16())
    }

    #[test]
    fn one_address_has_a_share_and_others_a_reserve() {
        let subscribers = Subscribers::new(SubscriberLimits { total: 8, per_address: 3 });
        let take = |number, count: usize| (0..count).map(move |_| number).collect::<Vec<_>>();
        let taken = [take(1, 3), take(2, 3)].concat();
        let mut places: Vec<_> = taken.into_iter().map(|n| subscribers.place(address(n)).unwrap()).collect();
        assert_eq!(refused(&subscribers, address(1)), 429);
        places.push(subscribers.place(address(3)).unwrap());
        assert_eq!(refused(&subscribers, address(3)), 429, "the reserve is for those who have none");
        places.push(subscribers.place(address(4)).unwrap());
        assert_eq!(refused(&subscribers, address(5)), 503);
        places.remove(0);
        assert_eq!(refused(&subscribers, address(1)), 429);
        drop(subscribers.place(address(5)).unwrap());
        drop(places);
        assert!(subscribers.0.held().is_empty());
        let counts: Vec<_> = subscribers.refused().iter().collect();
        assert_eq!(counts, [("full", 1), ("address", 1), ("reserve", 2)]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_those_who_are_not_known_are_one() {
        let subscribers = Subscribers::new(SubscriberLimits { total: 8, per_address: 1 });
        let one = subscribers.place(Some("2001:db8::1".parse().unwrap())).unwrap();
        assert_eq!(refused(&subscribers, Some("2001:db8::2".parse().unwrap())), 429);
        assert_eq!(refused(&subscribers, Some("2001:db8:0:1::2".parse().unwrap())), 101);
        let unknown: Vec<_> = (0..5).map(|_| subscribers.place(None).unwrap()).collect();
        assert_eq!(refused(&subscribers, None), 429, "what is left is for others");
        drop((one, unknown));
    }
}
