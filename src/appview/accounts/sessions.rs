//! Sessions at accounts' PDSes: one for each account and app password, however often a client signs in, and one by OAuth
//! for each account, however many browsers and devices use it.
//!
//! A PDS allows 30 sign-ins in 5 minutes and takes 0.4 s for one, and docker signs in for every token. So a password is
//! recognised by its HMAC, and the PDS is asked about it once in `renewal::PROVEN_FOR_US`. A refresh token is good for
//! one use: there is one refresh at a time, and its result is on disk before it is used. Whatever uses up a token runs
//! in a task of its own, so that the result is not lost when the client disconnects.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use quick_cache::sync::Cache;
use sha2::Sha256;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::attempts::Attempts;
use super::error::AccountsError;
use super::token_scope::scope;
use crate::accounts::tables::{self, Binding, SessionRow};
use crate::cache::TimedCache;
use crate::oauth::{AuthorizationServer, Client, NewTokens};
use crate::remote::{Credential, Remote, RemoteError, is_token};
use atproto::keys::P256Key;
use atproto::lexicon::{CreateSession, MAIN_PASSWORD_SCOPE, ServiceAuth, SessionTokens, error as name, nsid};
use atproto::syntax::Did;
use server::bulkhead::{Caller, LockGuard, Locks};
use server::egress::{carried, wait_for};
use server::identity::{Account, Pool, Resolver};
use server::metrics::Counter;
use server::sqlite::{Database, Write};
use server::storage::StorageError;

/// How long a wrong password is cached: other callers share the PDS's limit for this registry's address. The same for
/// a main password, for which the PDS may send a mail each time.
const WRONG_FOR: Duration = Duration::from_mins(1);
/// How long a service token is used. It is good for 60 s; the public front end uses one for so long as well.
const SERVICE_TOKEN_FOR: Duration = Duration::from_secs(50);
/// Age of a service token up to which its refusal is not answered with another one.
const JUST_MADE: Duration = Duration::from_secs(1);
/// How long a session's end is cached: the answer to each pushed manifest needs it.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Number of cache entries of each kind, at some 500 bytes.
const MAX_REMEMBERED: usize = 4096;
/// How long a shutdown waits for tasks that must not be aborted.
const SETTLE_FOR: Duration = Duration::from_secs(10);

/// Number of a session; tokens of this registry name it.
pub type SessionId = i64;

/// An account that has signed in, with its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: Did,
    /// Number of the session at the PDS.
    pub session: SessionId,
}

type PasswordMac = [u8; 32];

/// Settings of sessions.
pub struct SessionSettings {
    /// Key of the HMAC by which passwords are recognised.
    pub password_key: Zeroizing<[u8; 32]>,
    /// Whether an account's main password is accepted as well.
    pub allow_main_password: bool,
    /// Passwords of one account that one address may try within five minutes.
    pub passwords_per_address: u32,
    /// Returns the time, microseconds since 1970.
    pub clock: fn() -> u64,
}

/// A token that authorizes calls for an account at a service.
#[derive(Clone)]
pub(super) struct ServiceToken {
    token: Arc<str>,
    made: Instant,
}

/// The sessions of all accounts.
pub struct Sessions {
    pub(super) settings: SessionSettings,
    pub(super) database: Database,
    pub(super) remote: Remote,
    pub(super) resolver: Resolver,
    pub(super) oauth: Arc<Client>,
    /// Tasks that must not be aborted.
    tasks: TaskTracker,
    /// Time of the last look for unused sessions, microseconds since 1970; 0 before the first.
    pub(super) looked_us: AtomicU64,
    locks: Locks<Did>,
    attempts: Attempts,
    /// Refused passwords: whether it was the main password.
    refused: TimedCache<(Did, PasswordMac), bool>,
    /// Service tokens, by session and service.
    pub(super) service_tokens: Cache<(SessionId, Did), ServiceToken>,
    /// Ends of sessions, in microseconds since 1970.
    pub(super) endings: TimedCache<SessionId, Option<u64>>,
}

impl Sessions {
    /// Makes the sessions of `database`.
    #[must_use]
    pub fn new(
        settings: SessionSettings,
        database: Database,
        remote: Remote,
        resolver: Resolver,
        oauth: Arc<Client>,
    ) -> Self {
        let attempts = Attempts::new(settings.passwords_per_address);
        Self {
            settings,
            attempts,
            database,
            remote,
            resolver,
            oauth,
            tasks: TaskTracker::new(),
            looked_us: AtomicU64::new(0),
            locks: Locks::default(),
            refused: TimedCache::new(MAX_REMEMBERED, WRONG_FOR),
            service_tokens: Cache::new(MAX_REMEMBERED),
            endings: TimedCache::new(MAX_REMEMBERED, BELIEVED_FOR),
        }
    }

    /// Returns the session of an app password: the stored one, if its PDS confirmed it a while ago, else a refreshed or
    /// a new one. `caller` is the address of the request, for the limit of attempts.
    ///
    /// # Errors
    /// [`AccountsError::WrongPassword`], [`AccountsError::MainPassword`], [`AccountsError::TooManyPasswords`], or the
    /// error of the call to the PDS.
    pub async fn log_in(
        self: &Arc<Self>,
        account: &Arc<Account>,
        password: &str,
        caller: &Caller,
    ) -> Result<Login, AccountsError> {
        let (this, account, caller) = (Arc::clone(self), Arc::clone(account), caller.clone());
        let password = Zeroizing::new(password.to_owned());
        let guard = self.lock_in_time(&account.did).await?;
        self.finish(async move { this.by_password(&guard, &account, &password, &caller).await }).await
    }

    async fn by_password(
        &self,
        _guard: &LockGuard<Did>,
        account: &Account,
        password: &str,
        caller: &Caller,
    ) -> Result<Login, AccountsError> {
        let mac = self.mac(&account.did, password);
        let known = {
            let did = account.did.clone();
            self.database.read(move |read| tables::by_password(read, &did, &mac)).await?
        };
        let count = |login: &Login| self.attempts.succeeded(&login.account, caller);
        if let Some(row) = known {
            match self.prove_wherever(account, &row).await {
                Err(AccountsError::SessionEnded) => {}
                outcome => return outcome.map(|()| login(&row)).inspect(count),
            }
        }
        let key = (account.did.clone(), mac);
        if let Some(is_main) = self.refused.get(&key) {
            return Err(if is_main { AccountsError::MainPassword } else { AccountsError::WrongPassword });
        }
        let too_many = |retry_s| AccountsError::TooManyPasswords { retry_s };
        self.attempts.spend(&account.did, caller, (self.settings.clock)()).map_err(too_many)?;
        let mut outcome = self.create(account, password, mac).await;
        if let Some(moved) = self.moved(account, outcome.as_ref().err()).await {
            outcome = self.create(&moved, password, mac).await;
        }
        let outcome = self.explained(account, outcome).await;
        match &outcome {
            Err(error @ (AccountsError::WrongPassword | AccountsError::MainPassword)) => {
                self.refused.insert(key, matches!(error, AccountsError::MainPassword));
            }
            Err(AccountsError::Pds(error)) if error.was_not_sent() => self.attempts.give_back(&account.did, caller),
            _ => {}
        }
        outcome.inspect(count)
    }

    /// Checks that a session is still good at its PDS, before a refresh token of this registry is accepted.
    ///
    /// # Errors
    /// [`AccountsError::SessionEnded`], or the error of the call to the PDS.
    pub async fn resume(self: &Arc<Self>, login: &Login) -> Result<(), AccountsError> {
        let (this, login) = (Arc::clone(self), login.clone());
        let account = self.resolver.resolve(&login.account, Pool::Members).await?;
        let guard = self.lock_in_time(&login.account).await?;
        self.finish(async move {
            let row = this.row(&login).await?;
            let proven = this.prove_wherever(&account, &row).await;
            drop(guard);
            proven
        })
        .await
    }

    /// Returns the account's session by OAuth, after a check at its PDS.
    ///
    /// # Errors
    /// As [`Sessions::resume`].
    pub async fn by_oauth(self: &Arc<Self>, account: &Did) -> Result<Login, AccountsError> {
        let did = account.clone();
        let row = self.database.read(move |read| tables::by_oauth(read, &did)).await?;
        let login = login(&row.ok_or(AccountsError::SessionEnded)?);
        self.resume(&login).await?;
        Ok(login)
    }

    /// Returns the session of an account that its PDS confirmed last, of any kind.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]
    pub async fn newest(&self, account: &Did) -> Result<Option<Login>, AccountsError> {
        let did = account.clone();
        let sessions = self.database.read(move |read| tables::of_account(read, &did)).await?;
        Ok(sessions.first().map(|newest| Login { account: account.clone(), session: newest.id }))
    }

    /// Stores the tokens of a sign-in by OAuth in place of the account's previous ones, which are revoked. Returns the
    /// account's lock as well.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]
    pub(super) async fn adopt(
        &self,
        account: &Did,
        server: &AuthorizationServer,
        binding: Binding,
        tokens: NewTokens,
    ) -> Result<(Login, LockGuard<Did>), AccountsError> {
        let guard = self.lock(account).await;
        let (did, now_us) = (account.clone(), (self.settings.clock)());
        let last = self.database.read(move |read| tables::by_oauth(read, &did)).await?;
        let did = account.clone();
        let store = move |write: &Write<'_>| tables::adopt(write, &did, &binding, &tokens, now_us);
        let session = self.database.write(store).await?;
        self.service_tokens.retain(|(of, _), _| *of != session);
        if let Some(last) = last
            && let Some(binding) = last.binding.filter(|binding| binding.issuer == server.issuer)
        {
            self.oauth.give_back(server, &last.refresh, &binding.key()?).await;
        }
        Ok((Login { account: account.clone(), session }, guard))
    }

    /// Waits for tasks that must not be aborted, for 10 s at most.
    pub async fn settle(&self) {
        self.tasks.close();
        if tokio::time::timeout(SETTLE_FOR, self.tasks.wait()).await.is_err() {
            tracing::warn!("sessions that were being renewed are left behind: some accounts may have to sign in again");
        }
    }

    /// Runs `work` to its end, even if the caller is dropped, or waits no longer.
    pub(super) async fn finish<T: Send + 'static, E: From<AccountsError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let cut_off = |error: tokio::task::JoinError| AccountsError::Storage(StorageError::failed(error.to_string()));
        wait_for(self.tasks.spawn(carried(work)))
            .await
            .map_err(|error| E::from(AccountsError::late(error)))?
            .map_err(|error| E::from(cut_off(error)))?
    }

    /// Returns a token that authorizes calls for the account at the service `audience`.
    ///
    /// # Errors
    /// [`AccountsError::SessionEnded`], or the error of the call to the PDS.
    pub async fn service_token(self: &Arc<Self>, login: &Login, audience: &Did) -> Result<Arc<str>, AccountsError> {
        let key = (login.session, audience.clone());
        if let Some(known) = self.service_tokens.get(&key)
            && known.made.elapsed() < SERVICE_TOKEN_FOR
        {
            return Ok(known.token);
        }
        let made = Instant::now();
        let token = self
            .with_access(login, nsid::GET_SERVICE_AUTH, |url, access| {
                Box::pin(async move {
                    // Holds have always got this method, and its permission is the one that every sign-in has.
                    let parameters = [("aud", audience.as_str()), ("lxm", nsid::GET_RECORD.as_str())];
                    self.remote.query::<ServiceAuth>(&url, &parameters, &access).await
                })
            })
            .await?;
        if !is_token(&token.token) {
            return Err(AccountsError::Pds(RemoteError::Unintelligible));
        }
        let token: Arc<str> = token.token.into();
        self.service_tokens.insert(key.clone(), ServiceToken { token: Arc::clone(&token), made });
        // The session may have been ended, and its tokens dropped, before this one came.
        self.row(login).await.inspect_err(|_| drop(self.service_tokens.remove(&key)))?;
        Ok(token)
    }

    /// Returns another token than `refused`, which the service `audience` did not take: by its clock it has expired, or the
    /// account has another key. `None` when it was made just now.
    ///
    /// # Errors
    /// As [`Sessions::service_token`].
    pub async fn newer_service_token(
        self: &Arc<Self>,
        login: &Login,
        audience: &Did,
        refused: &str,
    ) -> Result<Option<Arc<str>>, AccountsError> {
        let key = (login.session, audience.clone());
        if let Some(known) = self.service_tokens.get(&key).filter(|known| *known.token == *refused) {
            if known.made.elapsed() < JUST_MADE {
                return Ok(None);
            }
            self.service_tokens.remove(&key);
        }
        self.service_token(login, audience).await.map(Some)
    }

    async fn create(&self, account: &Account, password: &str, mac: PasswordMac) -> Result<Login, AccountsError> {
        let url = self.resolver.pds_method(account, &nsid::CREATE_SESSION)?.to_string();
        let input = CreateSession { identifier: account.did.to_string(), password: password.to_owned() };
        let now_us = (self.settings.clock)();
        let tokens: SessionTokens =
            self.remote.procedure(&url, &input, Credential::None).await.map_err(|error| match error {
                // The password is right.
                error if error.is_named(name::ACCOUNT_TAKEDOWN) => super::status::Inactive::TakenDown.into(),
                error if error.is_named(name::AUTH_FACTOR_TOKEN_REQUIRED) => AccountsError::MainPassword,
                RemoteError::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST, .. } => {
                    AccountsError::WrongPassword
                }
                other => AccountsError::Pds(other),
            })?;
        if !are_of(&tokens, &account.did) {
            return Err(AccountsError::Pds(RemoteError::Unintelligible));
        }
        if !self.settings.allow_main_password && scope(&tokens.access_jwt).as_deref() == Some(MAIN_PASSWORD_SCOPE) {
            self.end_unwanted(&account.did, tokens).await;
            return Err(AccountsError::MainPassword);
        }
        let did = account.did.clone();
        let tokens = NewTokens { access: tokens.access_jwt, refresh: tokens.refresh_jwt };
        let session = self.database.write(move |write| tables::insert(write, &did, &mac, &tokens, now_us)).await?;
        Ok(Login { account: account.did.clone(), session })
    }

    pub(super) async fn row(&self, login: &Login) -> Result<SessionRow, AccountsError> {
        let id = login.session;
        let row = self.database.read(move |read| tables::by_id(read, id)).await?;
        row.filter(|row| row.account == login.account).ok_or(AccountsError::SessionEnded)
    }

    /// Locks the sessions of one account: a PDS that does not answer delays only its own accounts.
    pub(super) async fn lock(&self, account: &Did) -> LockGuard<Did> {
        self.locks.lock(account).await
    }

    /// Returns the counter of passwords that were refused without a call to a PDS, because there were too many
    /// attempts.
    #[must_use]
    pub fn refused_passwords(&self) -> &Counter {
        self.attempts.refused()
    }

    fn mac(&self, account: &Did, password: &str) -> PasswordMac {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.settings.password_key) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(account.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Whether tokens of a PDS are for this account, and such as are kept.
pub(super) fn are_of(tokens: &SessionTokens, account: &Did) -> bool {
    tokens.did == *account && is_token(&tokens.access_jwt) && is_token(&tokens.refresh_jwt)
}

pub(super) fn login(row: &SessionRow) -> Login {
    Login { account: row.account.clone(), session: row.id }
}

impl Binding {
    /// Parses the private key.
    pub(super) fn key(&self) -> Result<P256Key, AccountsError> {
        P256Key::from_bytes(&self.key).map_err(|error| AccountsError::Storage(StorageError::Damaged(error.into())))
    }
}
