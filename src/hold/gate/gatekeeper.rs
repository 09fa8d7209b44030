//! Authenticates callers and checks their permissions: makes permits from tokens and crew records.

use super::permits::{AccountPermit, AdminPermit, ReadPermit, WritePermit};
use super::signed_url::SignedRead;
use crate::crew::{Crew, CrewError, Manager, Membership};
use atproto::lexicon::Permission;
use atproto::syntax::Did;
use quick_cache::sync::Cache;
use server::bulkhead::Caller;
use server::identity::{Asker, Pool};
use server::tokens::{AuthError, Authenticator, CheckedToken, Credentials};

/// Limit of networks that are remembered because a member authenticated from them; at about 100 bytes each, 400 KiB.
const MAX_NETWORKS: usize = 4096;

/// Makes permits. The crew is read for each request, so a removal takes effect with the next one.
pub struct Gate {
    authenticator: Authenticator,
    crew: Crew,
    /// The networks that members authenticated from. An unverified token from one of these is verified in the members'
    /// pool; one from elsewhere takes no place in it, because anyone can claim any account.
    proven_from: Cache<Caller, ()>,
}

/// Errors of authentication and permissions.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The request has no token.
    #[error("a token is required: Authorization: Bearer <service token>, or DPoP <access token> and a DPoP header")]
    Anonymous,
    /// The token is not valid, or cannot be verified at present.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The account lacks the permission.
    #[error("access denied for {needed}: {reason} (required: {required})")]
    Forbidden {
        /// The permission that the request needs.
        needed: &'static str,
        /// The reason why the account lacks it.
        reason: &'static str,
        /// The permissions of which one would be enough.
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
    /// The network of the caller, which is known without the token.
    pub caller: &'c Caller,
    /// NSID of the called method.
    pub method: &'static str,
    /// The current time, in seconds since 1970.
    pub now_s: i64,
}

impl Gate {
    /// Makes a gate for the hold that `authenticator` and `crew` belong to.
    #[must_use]
    pub fn new(authenticator: Authenticator, crew: Crew) -> Self {
        Self { authenticator, crew, proven_from: Cache::new(MAX_NETWORKS) }
    }

    /// Authenticates the caller, without checking its permissions.
    ///
    /// # Errors
    /// [`Denied::Anonymous`], [`Denied::Auth`] or [`Denied::Crew`].
    pub async fn account(&self, credentials: RequestCredentials<'_>) -> Result<AccountPermit, Denied> {
        let (account, membership) = self.caller(credentials).await?;
        Ok(AccountPermit::new(account, membership.captain))
    }

    /// Permits reading blobs. Returns the account too; `None` for an anonymous caller. A token that is not valid is
    /// refused on a public hold too.
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

    /// Permits `account`, which started an upload, to send a part by a signed URL, if it still has the permission to
    /// write.
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

    /// Permits managing the crew. Returns the account too.
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
                // Read before the token is verified, only to choose the pool; it is returned only if the token is
                // valid.
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
