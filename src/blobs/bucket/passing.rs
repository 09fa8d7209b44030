//! Which parts are on their way through the hold to the store at this moment.
//!
//! Two bodies for one part at once: which of them the store keeps is not known, so neither's hash counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::blobs::names::{PartNumber, UploadId};

/// The parts on their way, as many as there are slots at most.
#[derive(Default)]
pub(super) struct Passing(Mutex<HashMap<(UploadId, PartNumber), Weak<AtomicBool>>>);

/// A part on its way, until it is dropped.
pub(super) struct Passage(Arc<AtomicBool>);

impl Passing {
    pub(super) fn enter(&self, id: &UploadId, number: PartNumber) -> Passage {
        let mut passing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passing.retain(|_, contested| contested.strong_count() > 0);
        if let Some(contested) = passing.get(&(*id, number)).and_then(Weak::upgrade) {
            contested.store(true, Ordering::Release);
            return Passage(contested);
        }
        let contested = Arc::default();
        passing.insert((*id, number), Arc::downgrade(&contested));
        Passage(contested)
    }
}

impl Passage {
    /// Whether another body for the same part was on its way at the same time.
    pub(super) fn is_contested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_contested_by_another_body_for_it_at_the_same_time() {
        let (passing, id) = (Passing::default(), UploadId::random().unwrap());
        let number = |number| PartNumber::new(number).unwrap();
        let (first, other) = (passing.enter(&id, number(1)), passing.enter(&id, number(2)));
        let second = passing.enter(&id, number(1));
        assert!(first.is_contested() && second.is_contested() && !other.is_contested());
        drop(first);
        assert!(passing.enter(&id, number(1)).is_contested(), "the second is still on its way");
        drop(second);
        assert!(!passing.enter(&id, number(1)).is_contested());
    }
}
