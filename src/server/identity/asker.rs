//! For whom something is looked up.

use crate::bulkhead::Caller;

/// Whose account is looked up, as far as that is known, and so whose capacity is used. A pool shares no place with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The captain and the crew, where a member has proven itself before, or the program itself asks.
    Members,
    /// Whoever claims to be one of them, without a proof so far, where nobody has proven it before.
    Claimants,
    /// Everyone else.
    Strangers,
}

impl Pool {
    /// Whether the account is captain or crew, whoever asks.
    pub(super) fn is_of_member(self) -> bool {
        match self {
            Self::Members | Self::Claimants => true,
            Self::Strangers => false,
        }
    }
}

/// Who wants something looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Whose capacity is used.
    pub pool: Pool,
    /// Whose share of it.
    pub caller: Caller,
}

impl From<Pool> for Asker {
    /// The program itself.
    fn from(pool: Pool) -> Self {
        Self { pool, caller: Caller::Program }
    }
}

/// One of each pool.
#[derive(Clone)]
pub(super) struct ByPool<T> {
    pub(super) members: T,
    pub(super) claimants: T,
    pub(super) strangers: T,
}

impl<T> ByPool<T> {
    pub(super) fn of(&self, pool: Pool) -> &T {
        match pool {
            Pool::Members => &self.members,
            Pool::Claimants => &self.claimants,
            Pool::Strangers => &self.strangers,
        }
    }
}
