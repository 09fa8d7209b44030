//! How far subscribers of the events are behind, for the metrics.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Pds, PdsError, subscription};
use crate::pds::tables;
use server::sqlite::Read;

/// Events counted behind a position; a subscriber that was up to date is given up before that.
const COUNTED: u32 = 1000;

/// The positions of all subscriptions that are open.
#[derive(Default)]
pub(super) struct SubscriberPositions(Mutex<Vec<Weak<AtomicI64>>>);

/// How far the subscribers are behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberLag {
    /// Subscriptions that are open.
    pub subscribers: u64,
    /// Events that the slowest was not given yet, at most 1,000. Up to 100 more may be on their way to it.
    pub behind_events: u32,
    /// The sequence number of the newest event.
    pub last_seq: i64,
}

impl SubscriberPositions {
    /// A new one, at this sequence number. It is there until its place is dropped.
    pub(super) fn add(&self, position: i64) -> Arc<AtomicI64> {
        let place = Arc::new(AtomicI64::new(position));
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    fn positions(&self) -> Vec<i64> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().filter_map(Weak::upgrade).map(|place| place.load(Ordering::Relaxed)).collect()
    }
}

impl Pds {
    /// Returns how far the subscribers are behind.
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
