//! The slots of parts that pass through the hold: an account that takes all it gets leaves some to others.

use std::collections::HashMap;
use std::sync::Arc;

use atproto::syntax::Did;
use server::bulkhead::has_share;
use server::nonpoison::{Mutex, MutexGuard};

/// Parts that pass through the hold at once. Each costs the buffers of two connections, about 200 KiB.
const SLOTS: u64 = 32;

/// The slots; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct PartSlots(Arc<Mutex<Taken>>);

/// The slots that are taken.
#[derive(Default)]
struct Taken {
    all: u64,
    /// By account; an account without a slot has no entry.
    of: HashMap<Did, u64>,
}

/// A slot; dropping it frees it.
pub(super) struct PartSlot {
    slots: PartSlots,
    account: Did,
}

impl PartSlots {
    /// Takes a slot for a part of `account`; `None` when there is none for it.
    ///
    /// A slot is held for as long as its client sends. By [`has_share`] the first account gets 17 of the 32, the next one
    /// 8, and only five together take all.
    pub(super) fn take(&self, account: &Did) -> Option<PartSlot> {
        let mut taken = self.taken();
        let own = taken.of.get(account).copied().unwrap_or(0);
        if !has_share(own, taken.all, SLOTS) {
            return None;
        }
        taken.all += 1;
        taken.of.insert(account.clone(), own + 1);
        Some(PartSlot { slots: self.clone(), account: account.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock()
    }
}

impl Drop for PartSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.all -= 1;
        if let Some(own) = taken.of.get_mut(&self.account) {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all slots that the account gets.
    fn hoard(slots: &PartSlots, account: &str) -> Vec<PartSlot> {
        let account = Did::parse(account).unwrap();
        std::iter::from_fn(|| slots.take(&account)).collect()
    }

    #[test]
    fn who_takes_all_it_gets_leaves_slots_to_others() {
        let slots = PartSlots::default();
        let held: Vec<_> = (1..=6).map(|number| hoard(&slots, &format!("did:web:hoarder{number}.example"))).collect();
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [17, 8, 4, 2, 1, 0]);
    }

    #[test]
    fn a_slot_that_is_dropped_is_free_again() {
        let slots = PartSlots::default();
        let held = hoard(&slots, "did:web:one.example");
        assert_eq!(hoard(&slots, "did:web:one.example").len(), 0);
        drop(held);
        assert!(slots.taken().of.is_empty());
        assert_eq!(hoard(&slots, "did:web:one.example").len(), 17);
    }
}
