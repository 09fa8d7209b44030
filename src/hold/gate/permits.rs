//! Permits: permissions as values. Only this room can make one, so a handler that skips the check does not compile.

use crate::crew::Manager;
use atproto::syntax::Did;

/// The permission to read blobs.
#[derive(Clone, Debug)]
pub struct ReadPermit(());

/// The permission to upload blobs, as this account.
#[derive(Clone, Debug)]
pub struct WritePermit {
    account: Did,
    is_captain: bool,
}

/// The permission to manage the crew.
#[derive(Clone, Debug)]
pub struct AdminPermit(Manager);

/// The proof that the caller is this account, with any permissions or none.
#[derive(Clone, Debug)]
pub struct AccountPermit {
    account: Did,
    is_captain: bool,
}

impl ReadPermit {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl WritePermit {
    pub(super) fn new(account: Did, is_captain: bool) -> Self {
        Self { account, is_captain }
    }

    /// Returns the account that uploads.
    #[must_use]
    pub fn account(&self) -> &Did {
        &self.account
    }

    /// Whether the account is the captain's.
    #[must_use]
    pub fn is_captain(&self) -> bool {
        self.is_captain
    }
}

impl AdminPermit {
    pub(super) fn new(manager: Manager) -> Self {
        Self(manager)
    }

    /// Returns the captain or admin that manages the crew.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.0
    }
}

impl AccountPermit {
    pub(super) fn new(account: Did, is_captain: bool) -> Self {
        Self { account, is_captain }
    }

    /// Returns the account.
    #[must_use]
    pub fn account(&self) -> &Did {
        &self.account
    }

    /// Whether the account is the captain's.
    #[must_use]
    pub fn is_captain(&self) -> bool {
        self.is_captain
    }
}
