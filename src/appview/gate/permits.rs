//! Permits: the type of a handler's argument says who may call it, and only this room makes permits.

use crate::accounts::Login;
use crate::names::RepositoryName;
use atproto::syntax::Did;
use server::bulkhead::Caller;

/// Permission to read in a repository. Whether its blobs may be read is the decision of their hold.
#[derive(Clone, Debug)]
pub struct PullPermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Option<Login>,
    pub(super) may_push: bool,
    pub(super) caller: Caller,
}

impl PullPermit {
    /// Makes the permit of a person who views a page: everybody may, and the hold decides whether the blobs may be
    /// read.
    #[must_use]
    pub fn of_viewer(repository: RepositoryName, login: Option<Login>, network: Caller) -> Self {
        Self { repository, login, may_push: false, caller: network.clone() }.used_from(network)
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the account with its session; `None` for an anonymous client.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Returns the permit for requests from `network`. A request with an account counts against the account, wherever
    /// it comes from.
    #[must_use]
    pub fn used_from(self, network: Caller) -> Self {
        let caller = self.login.as_ref().map_or(network, |login| Caller::Account(login.account.clone()));
        Self { caller, ..self }
    }

    /// Returns the caller whose share of limited resources a request takes.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the same token permits pushes there: then blobs are looked up only in the hold for new ones.
    #[must_use]
    pub fn may_push(&self) -> bool {
        self.may_push
    }
}

/// Permission to delete in a repository; its holder is the owner.
#[derive(Clone, Debug)]
pub struct DeletePermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Login,
}

impl DeletePermit {
    /// Makes the permit of a person who signed in in a browser; `None` unless the repository is that account's.
    #[must_use]
    pub fn of_owner(repository: RepositoryName, owner: &Did, login: Login) -> Option<Self> {
        (login.account == *owner).then_some(Self { repository, login })
    }

    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the owner's account with its session.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}

/// Permission to write in a repository; its holder is the owner.
#[derive(Clone, Debug)]
pub struct PushPermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Login,
}

impl PushPermit {
    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Returns the owner's account with its session.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}
