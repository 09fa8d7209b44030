//! The lag of subscribers, for the metrics.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use super::{Pds, PdsError, subscription};
use crate::pds::tables;
use server::nonpoison::Mutex;
use server::sqlite::Read;

/// Limit of events counted; a subscriber that was up to date is disconnected before that.
const COUNTED: u32 = 1000;

/// The positions of all open subscriptions.
#[derive(Default)]
pub(super) struct SubscriberPositions(Mutex<Vec<Weak<AtomicI64>>>);

/// The lag of the subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberLag {
    /// Number of open subscriptions.
    pub subscribers: u64,
    /// Number of events that the slowest has yet to get, at most 1,000. Up to 100 more may be in transit to it.
    pub behind_events: u32,
    /// The sequence number of the newest event.
    pub last_seq: i64,
}

impl SubscriberPositions {
    /// Adds a subscription at this sequence number. Returns its position, which is listed until it is dropped.
    pub(super) fn add(&self, position: i64) -> Arc<AtomicI64> {
        let place = Arc::new(AtomicI64::new(position));
        let mut places = self.0.lock();
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    fn positions(&self) -> Vec<i64> {
        let places = self.0.lock();
        places.iter().filter_map(Weak::upgrade).map(|place| place.load(Ordering::Relaxed)).collect()
    }
}

impl Pds {
    /// Returns the lag of the subscribers.
    ///
    /// # Errors
    /// [`PdsError::Storage`].
    pub async fn subscriber_lag(&self) -> Result<SubscriberLag, PdsError> {
        let positions = self.inner.subscribers.positions();
        let slowest = positions.iter().min().copied();
        let read = move |read: &Read<'_>| {
            let behind = slowest.map_or(Ok(0), |slowest| tables::count_events_after(read, slowest, COUNTED))?;
            Ok::<_, PdsError>((behind, subscription::last_seq(read)?))
        };
        let (behind, last_seq) = self.inner.database.read(read).await?;
        Ok(SubscriberLag { subscribers: positions.len() as u64, behind_events: behind, last_seq })
    }
}
