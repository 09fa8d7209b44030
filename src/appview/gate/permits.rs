//! Permits: a handler's type says who may call it, and only this room makes them.

use crate::accounts::Login;
use crate::names::RepositoryName;
use atproto::syntax::Did;
use server::bulkhead::Caller;

/// Its holder may read in a repository; whether the blobs may be read is for their hold to say.
#[derive(Clone, Debug)]
pub struct PullPermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Option<Login>,
    pub(super) may_push: bool,
    pub(super) caller: Caller,
}

impl PullPermit {
    /// For somebody who looks at a page: everybody may, and the hold says whether its blobs may be read.
    #[must_use]
    pub fn of_viewer(repository: RepositoryName, login: Option<Login>, network: Caller) -> Self {
        Self { repository, login, may_push: false, caller: network.clone() }.used_from(network)
    }

    /// Where.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who, if somebody signed in.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The same permit, used from there: an account is the same caller wherever it comes from.
    #[must_use]
    pub fn used_from(self, network: Caller) -> Self {
        let caller = self.login.as_ref().map_or(network, |login| Caller::Account(login.account.clone()));
        Self { caller, ..self }
    }

    /// Whose share of what many use its request takes.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the same token may write there: then blobs are looked for where new ones go.
    #[must_use]
    pub fn may_push(&self) -> bool {
        self.may_push
    }
}

/// Its holder owns a repository, and may delete there.
#[derive(Clone, Debug)]
pub struct DeletePermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Login,
}

impl DeletePermit {
    /// For somebody who signed in in a browser; `None` unless the repository is their own.
    #[must_use]
    pub fn of_owner(repository: RepositoryName, owner: &Did, login: Login) -> Option<Self> {
        (login.account == *owner).then_some(Self { repository, login })
    }

    /// Where.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}

/// Its holder owns a repository, and may write there.
#[derive(Clone, Debug)]
pub struct PushPermit {
    pub(super) repository: RepositoryName,
    pub(super) login: Login,
}

impl PushPermit {
    /// Where.
    #[must_use]
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// Who.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}
