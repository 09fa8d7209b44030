//! Writes of records by this program that are under way. An account that is forgotten meanwhile does not come back into the
//! index by the end of the write.

use std::collections::HashMap;
use std::sync::Arc;

use atproto::syntax::Did;
use server::nonpoison::Mutex;

/// The writes under way, by number, with their accounts.
#[derive(Default)]
pub(super) struct Writes(Mutex<WritesState>);

#[derive(Default)]
struct WritesState {
    /// Number of writes that were begun.
    begun: u64,
    under_way: HashMap<u64, Did>,
}

/// A write of a record that was begun; it ends when it is dropped.
pub struct Writing {
    account: Did,
    number: u64,
    writes: Arc<Writes>,
}

impl Writing {
    pub(super) fn account(&self) -> &Did {
        &self.account
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writes.0.lock().under_way.remove(&self.number);
    }
}

impl Writes {
    pub(super) fn begin(self: &Arc<Self>, account: &Did) -> Writing {
        let mut state = self.0.lock();
        state.begun += 1;
        let number = state.begun;
        state.under_way.insert(number, account.clone());
        Writing { account: account.clone(), number, writes: Arc::clone(self) }
    }

    /// Ends the writes of an account, in the transaction that forgets it: nothing of them is in the index after it.
    pub(super) fn end(&self, account: &Did) {
        self.0.lock().under_way.retain(|_, of| of != account);
    }

    pub(super) fn is_under_way(&self, number: u64) -> bool {
        self.0.lock().under_way.contains_key(&number)
    }
}
