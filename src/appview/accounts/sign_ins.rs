//! Sign-ins by OAuth: begun here, approved at the account's own PDS, completed when the browser comes back.
//!
//! The browser that completes a sign-in must be the browser that began it, or an attacker could make somebody sign in
//! to the attacker's account. A callback counts once, names the server that was asked, and must be for the account that
//! was asked for; where only the server was named, for an account whose own DID document leads to that server: any
//! server could name any account.
//! <https://atproto.com/specs/oauth>

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::error::{AccountsError, SignInError};
use super::sessions::{Login, Sessions};
use crate::accounts::tables::{self, Binding, SignInRow, SignInUnderWay};
use crate::oauth::{AuthorizationCode, AuthorizationRequest, AuthorizationServer, OauthError};
use crate::remote::RemoteError;
use atproto::keys::P256Key;
use atproto::syntax::Did;
use server::bulkhead::LockGuard;
use server::identity::{Account, Pool, ResolveError};
use server::sqlite::Write;
use server::storage::StorageError;

/// Time in which a sign-in must be completed.
const LIFE_US: u64 = 15 * 60 * 1_000_000;
/// Number of sign-ins under way, at some 400 bytes.
const MAX_UNDER_WAY: u64 = 10_000;

/// Parameters of the OAuth redirect back to the registry.
#[derive(Default)]
pub struct Callback {
    /// `state`: identifies the sign-in.
    pub state: String,
    /// `iss`: the authorization server.
    pub issuer: Option<String>,
    /// `code`: the authorization code, which is exchanged for tokens.
    pub code: Option<String>,
    /// `error`: the error code of a sign-in without a code.
    pub error: Option<String>,
}

/// A sign-in that was completed.
pub struct SignedIn {
    /// The account with its session.
    pub login: Login,
    /// The page to return to that was given when it began.
    pub return_to: Option<String>,
    /// Keeps [`Sessions::end_by_oauth_unless`] from ending the session until this is dropped.
    pub guard: LockGuard<Did>,
}

/// A sign-in that failed.
#[derive(Debug)]
pub struct FailedSignIn {
    /// Why it failed.
    pub error: SignInError,
    /// The page to return to that was given when it began, if the browser began it.
    pub return_to: Option<String>,
}

impl From<AccountsError> for FailedSignIn {
    fn from(error: AccountsError) -> Self {
        Self { error: error.into(), return_to: None }
    }
}

/// Begins and completes sign-ins by OAuth.
pub struct SignIns {
    sessions: Arc<Sessions>,
    random: fn() -> Option<[u8; 32]>,
}

impl SignIns {
    /// Makes sign-ins that store their tokens in `sessions`.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, random: fn() -> Option<[u8; 32]>) -> Self {
        Self { sessions, random }
    }

    /// Begins a sign-in of `account` in the browser whose cookie has the hash `browser`. Returns the URL for the
    /// redirect. `return_to` is returned by [`SignIns::end`].
    ///
    /// # Errors
    /// [`SignInError`]
    pub async fn begin(
        &self,
        account: &Account,
        browser: [u8; 32],
        return_to: Option<String>,
    ) -> Result<String, SignInError> {
        let sessions = &self.sessions;
        // The account may have moved to another PDS since its document was read.
        let account = sessions.resolver.refresh(&account.did, Pool::Members).await.map_err(AccountsError::Identity)?;
        let server = sessions.oauth.discover(&sessions.pds_origin(&account)?).await?;
        match self.announce(&server, Some(&account.did), browser, return_to).await {
            Err(error) => Err(explained(sessions, Some(&account.did), error).await),
            begun => begun,
        }
    }

    /// Begins a sign-in of any account at the server with this origin; else as [`SignIns::begin`].
    ///
    /// # Errors
    /// [`SignInError::NoServer`], [`SignInError`]
    pub async fn begin_at(
        &self,
        origin: &str,
        browser: [u8; 32],
        return_to: Option<String>,
    ) -> Result<String, SignInError> {
        let host = || origin.rsplit('/').next().unwrap_or_default().to_owned();
        let server = self.sessions.oauth.discover_named(origin).await;
        let server = server.map_err(|reason| SignInError::NoServer { host: host(), reason })?;
        self.announce(&server, None, browser, return_to).await
    }

    /// Sends a pushed authorization request to the server, and stores the sign-in. Returns the URL for the redirect.
    async fn announce(
        &self,
        server: &AuthorizationServer,
        account: Option<&Did>,
        browser: [u8; 32],
        return_to: Option<String>,
    ) -> Result<String, SignInError> {
        let sessions = &self.sessions;
        let (state, verifier, key) = (self.text()?, self.text()?, self.key()?);
        let request = AuthorizationRequest { state: &state, verifier: &verifier, account };
        let url = sessions.oauth.push(server, &request, &key).await?;
        let row = SignInRow {
            browser,
            account: account.cloned(),
            issuer: server.issuer.clone(),
            verifier,
            key: *key.to_bytes(),
            return_to,
            expires_us: (sessions.settings.clock)() + LIFE_US,
        };
        let state = Sha256::digest(&state).into();
        let begin = move |write: &Write<'_>| tables::begin_sign_in(write, &state, &row, MAX_UNDER_WAY);
        let begun = sessions.database.write(begin).await.map_err(AccountsError::Storage)?;
        if begun { Ok(url) } else { Err(SignInError::TooMany) }
    }

    /// Completes a sign-in.
    ///
    /// # Errors
    /// [`FailedSignIn`]
    pub async fn end(&self, browser: [u8; 32], callback: Callback) -> Result<SignedIn, FailedSignIn> {
        let sessions = Arc::clone(&self.sessions);
        // The code is good for one use, so this must not be cut off.
        self.sessions.finish(async move { end(&sessions, browser, callback).await }).await
    }

    /// Has the other sign-ins of a browser that has just signed in completed with its new cookie: they were begun in other tabs.
    /// Cookies are given by their hashes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_browser(&self, from: [u8; 32], to: [u8; 32]) -> Result<(), StorageError> {
        self.sessions.database.write(move |write| tables::move_sign_ins(write, &from, &to)).await
    }

    /// Returns the sign-ins of an account that are under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_account(&self, account: &Did) -> Result<Vec<SignInUnderWay>, StorageError> {
        let account = account.clone();
        self.sessions.database.read(move |read| tables::sign_ins_of(read, &account)).await
    }

    /// Forgets the sign-ins of an account that are under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        self.sessions.database.write(move |write| tables::forget_sign_ins(write, &account)).await
    }

    /// Forgets expired sign-ins. Returns their number.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]
    pub async fn sweep(&self) -> Result<usize, AccountsError> {
        let now_us = (self.sessions.settings.clock)();
        Ok(self.sessions.database.write(move |write| tables::sweep_sign_ins(write, now_us)).await?)
    }

    fn text(&self) -> Result<String, OauthError> {
        (self.random)().map(|bytes| BASE64URL_NOPAD.encode(&bytes)).ok_or(OauthError::Randomness)
    }

    fn key(&self) -> Result<P256Key, OauthError> {
        loop {
            let bytes = (self.random)().ok_or(OauthError::Randomness)?;
            // Nearly all 256-bit numbers are valid keys.
            if let Ok(key) = P256Key::from_bytes(&bytes) {
                return Ok(key);
            }
        }
    }
}

async fn end(sessions: &Sessions, browser: [u8; 32], callback: Callback) -> Result<SignedIn, FailedSignIn> {
    let state = Sha256::digest(&callback.state).into();
    let taken = sessions.database.write(move |write| tables::take_sign_in(write, &state)).await;
    let row = taken.map_err(AccountsError::Storage)?.filter(|row| row.browser == browser);
    let row = row.ok_or(FailedSignIn { error: SignInError::Unknown, return_to: None })?;
    let (return_to, account) = (row.return_to.clone(), row.account.clone());
    match complete(sessions, row, callback).await {
        Err(error) => Err(FailedSignIn { error: explained(sessions, account.as_ref(), error).await, return_to }),
        Ok(signed_in) => Ok(signed_in),
    }
}

/// Replaces the refusal of a server by the state of the account, if its PDS serves it to nobody.
async fn explained(sessions: &Sessions, account: Option<&Did>, error: SignInError) -> SignInError {
    let is_refusal = match &error {
        SignInError::Refused => true,
        SignInError::Account(AccountsError::Oauth(OauthError::Server(error))) => {
            matches!(error, RemoteError::Refused { .. })
        }
        _ => false,
    };
    let Some(did) = account.filter(|_| is_refusal) else { return error };
    let Ok(account) = sessions.resolver.resolve(did, Pool::Members).await else { return error };
    sessions.inactive(&account).await.map_or(error, |why| AccountsError::from(why).into())
}

async fn complete(sessions: &Sessions, row: SignInRow, callback: Callback) -> Result<SignedIn, SignInError> {
    if row.expires_us <= (sessions.settings.clock)() {
        return Err(SignInError::Unknown);
    }
    if callback.issuer.as_deref() != Some(&*row.issuer) {
        return Err(SignInError::OtherServer);
    }
    if callback.error.is_some() {
        return Err(SignInError::Refused);
    }
    let code = callback.code.ok_or(SignInError::Refused)?;
    let server = match &row.account {
        Some(account) => server_of(sessions, account).await?,
        None => Arc::new(sessions.oauth.server(&row.issuer).await?),
    };
    if server.issuer != row.issuer {
        return Err(SignInError::OtherServer);
    }
    let binding = Binding { issuer: row.issuer, key: row.key };
    let key = binding.key()?;
    let code = AuthorizationCode { code: &code, verifier: &row.verifier };
    let redeemed = sessions.oauth.redeem(&server, code, row.account.as_ref(), &key).await;
    let (account, tokens) = redeemed?;
    // The account is only the server's claim until its own document confirms it.
    if row.account.is_none() {
        let own = server_of(sessions, &account).await;
        let refusal = match own {
            Ok(own) if own.issuer == server.issuer => None,
            // Nobody said that it is another server's account.
            Err(error) if is_unknown(&error) => Some(error),
            _ => Some(SignInError::NotItsAccount),
        };
        if let Some(refusal) = refusal {
            sessions.oauth.give_back(&server, &tokens.refresh, &key).await;
            return Err(refusal);
        }
    }
    let (login, guard) = sessions.adopt(&account, &server, binding, tokens).await?;
    Ok(SignedIn { login, return_to: row.return_to, guard })
}

/// Whether an account's document could not be read at present.
fn is_unknown(error: &SignInError) -> bool {
    use ResolveError::{Busy, Refused, Unreachable};
    matches!(error, SignInError::Account(AccountsError::Identity(Busy(_) | Refused(_) | Unreachable)))
}

/// Returns the authorization server that an account's own DID document leads to.
async fn server_of(sessions: &Sessions, account: &Did) -> Result<Arc<AuthorizationServer>, SignInError> {
    let account = sessions.resolver.resolve(account, Pool::Members).await.map_err(AccountsError::Identity)?;
    Ok(sessions.oauth.discover(&sessions.pds_origin(&account)?).await?)
}
