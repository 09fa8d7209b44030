//! Permission as a value. Only this room can make one, so a handler that skipped the question does not compile.

use crate::crew::Manager;
use atproto::syntax::Did;

/// May read blobs.
#[derive(Clone, Debug)]
pub struct ReadPermit(());

/// May upload blobs, as this account.
#[derive(Clone, Debug)]
pub struct WritePermit {
    account: Did,
    is_captain: bool,
}

/// May manage the crew.
#[derive(Clone, Debug)]
pub struct AdminPermit(Manager);

/// Is this account, whatever it may do.
#[derive(Clone, Debug)]
pub struct AccountPermit(Did);

impl ReadPermit {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl WritePermit {
    pub(super) fn new(account: Did, is_captain: bool) -> Self {
        Self { account, is_captain }
    }

    /// The account that uploads.
    #[must_use]
    pub fn account(&self) -> &Did {
        &self.account
    }

    /// Whether it is the captain's.
    #[must_use]
    pub fn is_captain(&self) -> bool {
        self.is_captain
    }
}

impl AdminPermit {
    pub(super) fn new(manager: Manager) -> Self {
        Self(manager)
    }

    /// Who manages.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.0
    }
}

impl AccountPermit {
    pub(super) fn new(account: Did) -> Self {
        Self(account)
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Did {
        &self.0
    }
}
