//! The callers of look-ups.

use crate::bulkhead::Caller;

/// The pool of capacity that a look-up uses, by the account looked up. Pools share no capacity with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The captain and the crew, where the caller's claim was proven before, or the program itself looks up.
    Members,
    /// The captain and the crew, where the caller claims to be one of them and nobody has proven it yet.
    Claimants,
    /// All other accounts.
    Strangers,
}

impl Pool {
    /// Whether the account is captain or crew, whoever the caller is.
    pub(super) fn is_of_member(self) -> bool {
        match self {
            Self::Members | Self::Claimants => true,
            Self::Strangers => false,
        }
    }
}

/// The caller of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The pool whose capacity is used.
    pub pool: Pool,
    /// The caller whose share of it is used.
    pub caller: Caller,
}

impl From<Pool> for Asker {
    /// The program itself as the caller.
    fn from(pool: Pool) -> Self {
        Self { pool, caller: Caller::Program }
    }
}

/// One value for each pool.
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
