//! Checks who calls and whether they may: makes permits of tokens and crew records.

use super::permits::{AccountPermit, AdminPermit, ReadPermit, WritePermit};
use super::signed_url::SignedRead;
use crate::crew::{Crew, CrewError, Manager, Membership};
use atproto::lexicon::Permission;
use atproto::syntax::Did;
use quick_cache::sync::Cache;
use server::bulkhead::Caller;
use server::identity::{Asker, Pool};
use server::tokens::{AuthError, Authenticator, CheckedToken, Credentials};

/// Networks remembered from which a member proved itself; at about 100 bytes each, 400 KiB.
const MAX_NETWORKS: usize = 4096;

/// Makes permits. The crew is read for each request, so a removal takes effect with the next one.
pub struct Gate {
    authenticator: Authenticator,
    crew: Crew,
    /// From where members have proven themselves: a claim from there is looked up as a member's, and one from elsewhere
    /// takes no place of theirs, for anybody can claim anything.
    proven_from: Cache<Caller, ()>,
}

/// Why no permit was given.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There was no token.
    #[error("a token is required: Authorization: Bearer <service token>, or DPoP <access token> and a DPoP header")]
    Anonymous,
    /// The token is bad, or cannot be proven at present.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The account lacks the permission.
    #[error("access denied for {needed}: {reason} (required: {required})")]
    Forbidden {
        /// The permission asked for.
        needed: &'static str,
        /// Why the account lacks it.
        reason: &'static str,
        /// What would have been enough.
        required: &'static str,
    },
    /// The crew records could not be read.
    #[error(transparent)]
    Crew(#[from] CrewError),
}

/// The credentials of a request, unchecked, and what they are used for.
#[derive(Clone, Copy)]
pub struct RequestCredentials<'c> {
    /// The token; `None` for an anonymous caller.
    pub token: Option<Credentials<'c>>,
    /// The caller, as far as it is known without the token.
    pub caller: &'c Caller,
    /// NSID of the called method.
    pub method: &'static str,
    /// The time, in Unix seconds.
    pub now_s: i64,
}

impl Gate {
    /// Makes a gate for the hold that `authenticator` and `crew` belong to.
    #[must_use]
    pub fn new(authenticator: Authenticator, crew: Crew) -> Self {
        Self { authenticator, crew, proven_from: Cache::new(MAX_NETWORKS) }
    }

    /// Authenticates the caller, without checking what it may do.
    ///
    /// # Errors
    /// [`Denied::Anonymous`], [`Denied::Auth`] or [`Denied::Crew`].
    pub async fn account(&self, credentials: RequestCredentials<'_>) -> Result<AccountPermit, Denied> {
        let (account, membership) = self.caller(credentials).await?;
        Ok(AccountPermit::new(account, membership.captain))
    }

    /// Permits reading blobs. A bad token is refused on a public hold too.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn read(&self, credentials: RequestCredentials<'_>) -> Result<(ReadPermit, Option<Did>), Denied> {
        if credentials.token.is_none() && self.crew.is_public().await? {
            return Ok((ReadPermit::new(), None));
        }
        let (account, membership) = self.caller(credentials).await?;
        if !membership.public {
            demand(&membership, Permission::BlobRead)?;
        }
        Ok((ReadPermit::new(), Some(account)))
    }

    /// Permits uploading blobs.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn write(&self, credentials: RequestCredentials<'_>) -> Result<WritePermit, Denied> {
        let (account, membership) = self.caller(credentials).await?;
        demand(&membership, Permission::BlobWrite)?;
        Ok(WritePermit::new(account, membership.captain))
    }

    /// Permits `account`, which began an upload, to send a part by a signed URL, if it may still write.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] or [`Denied::Crew`].
    pub async fn still_write(&self, account: Did) -> Result<WritePermit, Denied> {
        let membership = self.crew.membership(&account).await?;
        demand(&membership, Permission::BlobWrite)?;
        Ok(WritePermit::new(account, membership.captain))
    }

    /// Permits an authenticated account to read blobs.
    ///
    /// # Errors
    /// [`Denied::Forbidden`] or [`Denied::Crew`].
    pub async fn may_read(&self, account: &AccountPermit) -> Result<ReadPermit, Denied> {
        let membership = self.crew.membership(account.account()).await?;
        if !membership.public {
            demand(&membership, Permission::BlobRead)?;
        }
        Ok(ReadPermit::new())
    }

    /// Permits managing the crew.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn admin(&self, credentials: RequestCredentials<'_>) -> Result<(AdminPermit, Did), Denied> {
        let (account, membership) = self.caller(credentials).await?;
        demand(&membership, Permission::CrewAdmin)?;
        let manager = if membership.captain { Manager::Captain } else { Manager::Admin(account.clone()) };
        Ok((AdminPermit::new(manager), account))
    }

    /// Permits the holder of a signed URL to read: the permission was checked when the URL was made.
    #[must_use]
    pub fn signed_read(&self, _proof: &SignedRead) -> ReadPermit {
        ReadPermit::new()
    }

    /// Returns the authenticator, for its metrics.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    async fn caller(&self, credentials: RequestCredentials<'_>) -> Result<(Did, Membership), Denied> {
        let token = credentials.token.ok_or(Denied::Anonymous)?;
        match self.authenticator.check(token, credentials.method, credentials.now_s)? {
            CheckedToken::Proven(account) => {
                let membership = self.crew.membership(&account).await?;
                if membership.is_known() {
                    self.authenticator.adopt(&account);
                }
                Ok((account, membership))
            }
            CheckedToken::Claimed(claimed) => {
                // Read before the proof only to choose the pool; nothing is answered from it unless the proof holds.
                let membership = self.crew.membership(claimed.account()).await?;
                let caller = credentials.caller;
                let pool = if !membership.is_known() {
                    Pool::Strangers
                } else if self.proven_from.get(caller).is_some() {
                    Pool::Members
                } else {
                    Pool::Claimants
                };
                let account = self.authenticator.prove(claimed, Asker { pool, caller: caller.clone() }).await?;
                if pool == Pool::Claimants {
                    self.proven_from.insert(caller.clone(), ());
                }
                Ok((account, membership))
            }
        }
    }
}

fn demand(membership: &Membership, permission: Permission) -> Result<(), Denied> {
    if membership.may(permission) {
        return Ok(());
    }
    let required = match permission {
        Permission::BlobRead => "blob:read or blob:write",
        Permission::BlobWrite => "blob:write",
        Permission::CrewAdmin => "crew:admin",
    };
    let reason = if membership.is_known() { "crew member lacks permission" } else { "user is not a crew member" };
    Err(Denied::Forbidden { needed: permission.as_str(), reason, required })
}
