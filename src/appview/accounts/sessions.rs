//! Sessions at accounts' PDSes: one for each account and app password, however often a client signs in.
//!
//! A PDS allows 30 sign-ins in 5 minutes and takes 0.4 s for one, and docker signs in for every token. So a password is
//! known again by its HMAC, and the PDS is asked about it once in [`PROVEN_FOR_US`]: by using up the refresh token, which
//! fails once the app password was taken back. A refresh token is good for one use: one refresh at a time, and its
//! outcome is on disk before it is used.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::Sha256;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::error::AccountsError;
use crate::accounts::tables::{self, SessionRow};
use crate::remote::{AccessToken, Credential, Remote, RemoteError};
use atproto::lexicon::nsid::{self, Method};
use atproto::lexicon::{CreateSession, MAIN_PASSWORD_SCOPE, ServiceAuth, SessionTokens};
use atproto::syntax::Did;
use server::identity::{Account, Pool, Resolver};
use server::sqlite::Database;

/// How long the PDS's word about a password is good.
const PROVEN_FOR_US: u64 = 10 * 60 * 1_000_000;
/// How long a password that was wrong is not asked about again: others share the PDS's limit for this address.
const WRONG_FOR: Duration = Duration::from_mins(1);
/// A service token is good for 60 s; the public front end uses one for so long.
const SERVICE_TOKEN_FOR: Duration = Duration::from_secs(50);
/// Entries remembered of each kind, at some 500 bytes.
const MAX_REMEMBERED: usize = 4096;
/// Locks, shared by all sessions: two that share one wait for each other, and no more.
const LOCKS: usize = 64;

/// Names a session in our own tokens.
pub type SessionId = i64;

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: Did,
    /// Its session at its PDS.
    pub session: SessionId,
}

type PasswordMac = [u8; 32];

/// What sessions are made with.
pub struct SessionSettings {
    /// Passwords are known again by an HMAC under this.
    pub password_key: Zeroizing<[u8; 32]>,
    /// Whether an account's main password is taken as well.
    pub allow_main_password: bool,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
}

/// The sessions of all accounts.
pub struct Sessions {
    settings: SessionSettings,
    database: Database,
    remote: Remote,
    resolver: Resolver,
    locks: [Mutex<()>; LOCKS],
    wrong: Cache<(Did, PasswordMac), Instant>,
    service_tokens: Cache<(SessionId, Did), (Arc<str>, Instant)>,
}

impl Sessions {
    /// Sessions in `database`.
    #[must_use]
    pub fn new(settings: SessionSettings, database: Database, remote: Remote, resolver: Resolver) -> Self {
        Self {
            settings,
            database,
            remote,
            resolver,
            locks: std::array::from_fn(|_| Mutex::default()),
            wrong: Cache::new(MAX_REMEMBERED),
            service_tokens: Cache::new(MAX_REMEMBERED),
        }
    }

    /// The session that a password stands for: the one there is, if its PDS said that it is good a while ago, else a
    /// refreshed or a new one.
    ///
    /// # Errors
    /// [`AccountsError::WrongPassword`], [`AccountsError::MainPassword`], or what keeps the PDS from saying.
    pub async fn log_in(&self, account: &Account, password: &str) -> Result<Login, AccountsError> {
        let mac = self.mac(&account.did, password);
        let _turn = self.lock(&account.did).await;
        let known = {
            let did = account.did.clone();
            self.database.read(move |read| tables::by_password(read, &did, &mac)).await?
        };
        if let Some(row) = known {
            match self.prove(account, &row).await {
                Err(AccountsError::SessionEnded) => {}
                outcome => return outcome.map(|()| login(&row)),
            }
        }
        let key = (account.did.clone(), mac);
        if self.wrong.get(&key).is_some_and(|at| at.elapsed() < WRONG_FOR) {
            return Err(AccountsError::WrongPassword);
        }
        let outcome = self.create(account, password, mac).await;
        if matches!(outcome, Err(AccountsError::WrongPassword)) {
            self.wrong.insert(key, Instant::now());
        }
        outcome
    }

    /// The same session, if its PDS says that it is good: for a refresh token of ours.
    ///
    /// # Errors
    /// [`AccountsError::SessionEnded`], or what keeps the PDS from saying.
    pub async fn resume(&self, login: &Login) -> Result<(), AccountsError> {
        let account = self.resolver.resolve(&login.account, Pool::Members).await?;
        let _turn = self.lock(&login.account).await;
        let row = self.row(login).await?;
        self.prove(&account, &row).await
    }

    /// A token that speaks for the account to the service `audience`.
    ///
    /// # Errors
    /// [`AccountsError::SessionEnded`], or what keeps the PDS from making one.
    pub async fn service_token(&self, login: &Login, audience: &Did) -> Result<Arc<str>, AccountsError> {
        let key = (login.session, audience.clone());
        if let Some((token, at)) = self.service_tokens.get(&key)
            && at.elapsed() < SERVICE_TOKEN_FOR
        {
            return Ok(token);
        }
        let made = Instant::now();
        let token = self
            .with_access(login, nsid::GET_SERVICE_AUTH, |url, access| {
                Box::pin(async move {
                    // What holds have always seen, and the one permission that every sign-in has.
                    let parameters = [("aud", audience.as_str()), ("lxm", nsid::GET_RECORD.as_str())];
                    self.remote.query::<ServiceAuth>(&url, &parameters, &access).await
                })
            })
            .await?;
        let token: Arc<str> = token.token.into();
        self.service_tokens.insert(key, (Arc::clone(&token), made));
        Ok(token)
    }

    /// Calls `method` at the account's PDS with an access token, once more with a new one when that has expired. `call`
    /// is given the method's URL and the token.
    ///
    /// # Errors
    /// [`AccountsError::Pds`] with what the PDS answered, else as [`Sessions::service_token`].
    pub async fn with_access<'c, T>(
        &self,
        login: &Login,
        method: Method,
        call: impl Fn(String, AccessToken) -> BoxFuture<'c, Result<T, RemoteError>>,
    ) -> Result<T, AccountsError> {
        let account = self.resolver.resolve(&login.account, Pool::Members).await?;
        let url = self.resolver.pds_method(&account, &method)?.to_string();
        let row = self.row(login).await?;
        match call(url.clone(), AccessToken::Bearer(row.access.as_str().into())).await {
            Err(error) if is_expired(&error) => {
                let access = self.renew(&account, login, &row.access).await?;
                call(url, AccessToken::Bearer(access.into())).await.map_err(AccountsError::Pds)
            }
            outcome => outcome.map_err(AccountsError::Pds),
        }
    }

    /// Another access token than `expired`: whoever comes first makes it for all.
    async fn renew(&self, account: &Account, login: &Login, expired: &str) -> Result<String, AccountsError> {
        let _turn = self.lock(&login.account).await;
        let row = self.row(login).await?;
        if row.access != expired {
            return Ok(row.access);
        }
        self.refresh(account, &row).await
    }

    /// Whether the PDS says that a session is good, or said so a while ago. Under the account's lock.
    async fn prove(&self, account: &Account, row: &SessionRow) -> Result<(), AccountsError> {
        if (self.settings.clock)().saturating_sub(row.proven_us) < PROVEN_FOR_US {
            return Ok(());
        }
        self.refresh(account, row).await.map(drop)
    }

    /// Uses the refresh token up; answers the new access token, once it is on disk. Under the account's lock.
    async fn refresh(&self, account: &Account, row: &SessionRow) -> Result<String, AccountsError> {
        let url = self.resolver.pds_method(account, &nsid::REFRESH_SESSION)?.to_string();
        let (id, now_us) = (row.id, (self.settings.clock)());
        let answer = self.remote.bare_procedure(&url, &row.refresh).await;
        let tokens = match answer {
            Ok(body) => serde_json::from_slice::<SessionTokens>(&body).map_err(|_| RemoteError::Unintelligible),
            Err(error) => Err(error),
        };
        match tokens {
            Ok(tokens) if tokens.did == row.account => {
                let access = tokens.access_jwt.clone();
                let store = move |write: &server::sqlite::Write<'_>| {
                    tables::update(write, id, (&tokens.access_jwt, &tokens.refresh_jwt), now_us)
                };
                self.database.write(store).await?;
                Ok(access)
            }
            Ok(_) => Err(AccountsError::Pds(RemoteError::Unintelligible)),
            Err(RemoteError::Refused { status: StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, .. }) => {
                self.database.write(move |write| tables::delete(write, id)).await?;
                Err(AccountsError::SessionEnded)
            }
            Err(error) => Err(AccountsError::Pds(error)),
        }
    }

    async fn create(&self, account: &Account, password: &str, mac: PasswordMac) -> Result<Login, AccountsError> {
        let url = self.resolver.pds_method(account, &nsid::CREATE_SESSION)?.to_string();
        let input = CreateSession { identifier: account.did.to_string(), password: password.to_owned() };
        let now_us = (self.settings.clock)();
        let tokens: SessionTokens =
            self.remote.procedure(&url, &input, Credential::None).await.map_err(|error| match error {
                RemoteError::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST, .. } => {
                    AccountsError::WrongPassword
                }
                other => AccountsError::Pds(other),
            })?;
        if tokens.did != account.did {
            return Err(AccountsError::Pds(RemoteError::Unintelligible));
        }
        if !self.settings.allow_main_password && scope(&tokens.access_jwt).as_deref() == Some(MAIN_PASSWORD_SCOPE) {
            let url = self.resolver.pds_method(account, &nsid::DELETE_SESSION)?.to_string();
            if let Err(error) = self.remote.bare_procedure(&url, &tokens.refresh_jwt).await {
                tracing::warn!(did = %account.did, %error, "a session that is not wanted could not be ended");
            }
            return Err(AccountsError::MainPassword);
        }
        let did = account.did.clone();
        let store = move |write: &server::sqlite::Write<'_>| {
            tables::insert(write, &did, &mac, (&tokens.access_jwt, &tokens.refresh_jwt), now_us)
        };
        let session = self.database.write(store).await?;
        Ok(Login { account: account.did.clone(), session })
    }

    async fn row(&self, login: &Login) -> Result<SessionRow, AccountsError> {
        let id = login.session;
        let row = self.database.read(move |read| tables::by_id(read, id)).await?;
        row.filter(|row| row.account == login.account).ok_or(AccountsError::SessionEnded)
    }

    async fn lock(&self, account: &Did) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(account);
        let index = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        self.locks[index].lock().await
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

fn login(row: &SessionRow) -> Login {
    Login { account: row.account.clone(), session: row.id }
}

/// What a PDS says of an access token that is too old.
fn is_expired(error: &RemoteError) -> bool {
    let is_unauthorized = matches!(error, RemoteError::Refused { status: StatusCode::UNAUTHORIZED, .. });
    is_unauthorized || error.is_named("ExpiredToken")
}

/// What an access token says of its scope; the PDS that made it knows it, and nobody here trusts it.
fn scope(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        scope: String,
    }
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.scope)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    #[test]
    fn a_token_says_what_its_scope_is() {
        let token = |claims: &str| format!("e30.{}.sig", BASE64URL_NOPAD.encode(claims.as_bytes()));
        assert_eq!(super::scope(&token(r#"{"scope":"com.atproto.appPass"}"#)).as_deref(), Some("com.atproto.appPass"));
        for other in ["", "a.b.c", &token("{}"), &token("[]")] {
            assert_eq!(super::scope(other), None, "{other}");
        }
    }
}
