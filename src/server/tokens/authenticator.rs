//! Authenticates a token: from its text to the account that it proves.
//!
//! In two steps, so that the caller can decide in between whether the claimed account is a member, and whose capacity
//! the look-up uses: members have a pool of their own, which no flood of strangers can fill. A verified token is cached
//! until it expires or its issuer's key changes (an access token with its proof: for less than a minute), so that its
//! next use costs one hash.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::dpop::BoundToken;
use super::service_token::{Audience, Claims, ServiceToken};
use super::{AuthError, Credentials, DpopError, TokenError};
use crate::bulkhead::BulkheadCounts;
use crate::identity::{
    self, Account, Asker, LookUpResult, PdsUrl, Resolver, SessionError, SessionKey, SessionQuestion, Sessions,
};
use crate::metrics::CounterBy;
use atproto::keys::PublicKey;
use atproto::lexicon::nsid;
use atproto::syntax::Did;

/// Number of verified tokens cached; at about 500 bytes each, 2 MiB.
const MAX_TOKENS: usize = 4096;

type TokenHash = [u8; 32];

crate::label! {
    /// The result of checking a token.
    pub enum TokenCheckResult {
        /// From the cache.
        Known = "known",
        /// Verified now.
        Proven = "proven",
        /// [`TokenError::Malformed`]
        Malformed = "BadJwt",
        /// [`TokenError::Type`]
        Type = "BadJwtType",
        /// [`TokenError::Expired`]
        Expired = "JwtExpired",
        /// [`TokenError::Audience`]
        Audience = "BadJwtAudience",
        /// [`TokenError::Method`]
        Method = "BadJwtLexiconMethod",
        /// [`TokenError::Issuer`]
        Issuer = "BadJwtIss",
        /// [`TokenError::Signature`]
        Signature = "BadJwtSignature",
        /// [`DpopError::Token`]
        AccessToken = "invalid_token",
        /// [`DpopError::Proof`] or [`DpopError::Binding`]
        Proof = "invalid_dpop_proof",
        /// [`DpopError::Nonce`]
        Nonce = "use_dpop_nonce",
        /// [`AuthError::Unresolvable`]
        Unresolvable = "unresolvable",
        /// [`AuthError::PdsUnreachable`]
        PdsUnreachable = "pds_unreachable",
        /// [`AuthError::Busy`]
        Busy = "busy",
    }
}

/// A service token verified with its issuer's key.
struct ProvenToken {
    claims: Claims,
    /// The key that verified it. When the account's key changes, the entry is not used any more.
    key: PublicKey,
}

/// Authenticates tokens for one service.
pub struct Authenticator {
    us: Audience,
    resolver: Resolver,
    sessions: Sessions,
    proven: Cache<TokenHash, Arc<ProvenToken>>,
    checks: CounterBy<TokenCheckResult>,
}

/// The result of [`Authenticator::check`].
pub enum CheckedToken<'a> {
    /// The token was verified before: the caller is this account.
    Proven(Did),
    /// The token's claims are acceptable, but not verified yet.
    Claimed(ClaimedToken<'a>),
}

/// A token whose claims are acceptable, not yet verified.
pub struct ClaimedToken<'a>(Claim<'a>);

enum Claim<'a> {
    /// A service token, to be verified with its issuer's key.
    Service { token: Box<ServiceToken<'a>>, hash: TokenHash },
    /// An access token with its proof, to be confirmed by the account's PDS.
    Session { token: Box<BoundToken<'a>>, key: SessionKey },
}

impl ClaimedToken<'_> {
    /// Returns the account that the token claims.
    #[must_use]
    pub fn account(&self) -> &Did {
        match &self.0 {
            Claim::Service { token, .. } => &token.claims.issuer,
            Claim::Session { token, .. } => &token.account,
        }
    }
}

impl Authenticator {
    /// Creates an authenticator of tokens for the service `us`.
    #[must_use]
    pub fn new(us: Audience, resolver: Resolver) -> Self {
        let (sessions, proven) = (resolver.sessions(), Cache::new(MAX_TOKENS));
        Self { us, resolver, sessions, proven, checks: CounterBy::default() }
    }

    /// Checks the credentials of a call of `method` (an NSID) at `now_s` (Unix seconds), as far as that is possible
    /// without the network.
    ///
    /// # Errors
    /// [`AuthError::Token`] or [`AuthError::Dpop`].
    pub fn check<'a>(
        &self,
        credentials: Credentials<'a>,
        method: &str,
        now_s: i64,
    ) -> Result<CheckedToken<'a>, AuthError> {
        let outcome = match credentials {
            Credentials::Bearer(token) => self.check_service_token(token, method, now_s).map_err(AuthError::from),
            Credentials::Dpop { token, proof } => self.check_session(token, proof, now_s).map_err(AuthError::from),
        };
        match &outcome {
            Ok(CheckedToken::Proven(_)) => self.checks.inc(TokenCheckResult::Known),
            // Counted when it is verified.
            Ok(CheckedToken::Claimed(_)) => {}
            Err(error) => self.checks.inc(result_of(error)),
        }
        outcome
    }

    fn check_service_token<'a>(
        &self,
        token: &'a str,
        method: &str,
        now_s: i64,
    ) -> Result<CheckedToken<'a>, TokenError> {
        let hash = Sha256::digest(token).into();
        if let Some(ProvenToken { claims, key }) = self.proven.get(&hash).as_deref() {
            claims.check(&self.us, method, now_s)?;
            // Else the account's key has changed, or its document has to be read again.
            if self.resolver.cached(&claims.issuer).is_some_and(|account| account.key == *key) {
                return Ok(CheckedToken::Proven(claims.issuer.clone()));
            }
        }
        let token = Box::new(ServiceToken::parse(token)?);
        token.claims.check(&self.us, method, now_s)?;
        Ok(CheckedToken::Claimed(ClaimedToken(Claim::Service { token, hash })))
    }

    fn check_session<'a>(&self, token: &'a str, proof: &'a str, now_s: i64) -> Result<CheckedToken<'a>, DpopError> {
        // Neither text has a line break, so the hashed text is unambiguous.
        let key = Sha256::digest([token, "\n", proof].concat()).into();
        if let Some(account) = self.sessions.known(&key) {
            return Ok(CheckedToken::Proven(account));
        }
        let token = Box::new(BoundToken::check(token, proof, now_s)?);
        Ok(CheckedToken::Claimed(ClaimedToken(Claim::Session { token, key })))
    }

    /// Verifies `claimed`, and caches it: a service token with its issuer's key, an access token by asking the
    /// account's PDS. When that fails because of the key or the PDS's address, the account's document is read again, as
    /// it may have changed.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn prove(&self, claimed: ClaimedToken<'_>, asker: impl Into<Asker>) -> Result<Did, AuthError> {
        let outcome = self.verify(claimed, &asker.into()).await;
        self.checks.inc(outcome.as_ref().map_or_else(result_of, |_| TokenCheckResult::Proven));
        outcome
    }

    /// Copies the cached document of an account that has become a member ([`Resolver::adopt`]).
    pub fn adopt(&self, member: &Did) {
        self.resolver.adopt(member);
    }

    /// Returns the number of checks by result.
    #[must_use]
    pub fn checks(&self) -> &CounterBy<TokenCheckResult> {
        &self.checks
    }

    /// Returns the number of look-ups of accounts by result.
    #[must_use]
    pub fn look_ups(&self) -> &CounterBy<LookUpResult> {
        self.resolver.look_ups()
    }

    /// Returns the metrics of the bulkheads for look-ups of accounts and of sessions, each with its name in metrics.
    pub fn bulkheads(&self) -> impl Iterator<Item = (&'static str, &BulkheadCounts)> {
        self.resolver.bulkheads().into_iter().chain(self.sessions.bulkheads())
    }

    async fn verify(&self, claimed: ClaimedToken<'_>, asker: &Asker) -> Result<Did, AuthError> {
        match claimed.0 {
            Claim::Service { token, hash } => self.prove_service_token(*token, hash, asker).await,
            Claim::Session { token, key } => {
                let question = SessionQuestion {
                    key,
                    url: self.session_url(&token, asker).await?,
                    authorization: format!("DPoP {}", token.token),
                    proof: token.proof.to_owned(),
                    account: token.account.clone(),
                    lifetime: token.lifetime,
                };
                self.sessions.ask(question, asker.clone()).await?;
                Ok(token.account)
            }
        }
    }

    async fn prove_service_token(
        &self,
        token: ServiceToken<'_>,
        hash: TokenHash,
        asker: &Asker,
    ) -> Result<Did, AuthError> {
        let issuer = &token.claims.issuer;
        let mut account = self.resolver.resolve(issuer, asker.clone()).await.map_err(unknown_issuer)?;
        if token.verify(&account).is_err() {
            let newer = self.resolver.refresh(issuer, asker.clone()).await.map_err(unknown_issuer)?;
            if Arc::ptr_eq(&account, &newer) {
                return Err(TokenError::Signature.into());
            }
            token.verify(&newer)?;
            account = newer;
        }
        let issuer = issuer.clone();
        self.proven.insert(hash, Arc::new(ProvenToken { claims: token.claims, key: account.key }));
        Ok(issuer)
    }

    /// Returns the URL of `getSession` at the account's PDS, which must be the one that the proof is for.
    async fn session_url(&self, token: &BoundToken<'_>, asker: &Asker) -> Result<PdsUrl, AuthError> {
        let url_of = |account: &Account| self.resolver.pds_method(account, &nsid::GET_SESSION);
        let known = self.resolver.resolve(&token.account, asker.clone()).await.map_err(unknown_account)?;
        let url = url_of(&known).map_err(unknown_account)?;
        if token.is_for(&url.to_string()) {
            return Ok(url);
        }
        // The account may have moved to another PDS.
        let newer = self.resolver.refresh(&token.account, asker.clone()).await.map_err(unknown_account)?;
        let url = url_of(&newer).map_err(unknown_account)?;
        if token.is_for(&url.to_string()) {
            return Ok(url);
        }
        Err(DpopError::Binding(url.to_string()).into())
    }
}

/// Returns the result under which a failed check is counted.
fn result_of(error: &AuthError) -> TokenCheckResult {
    match error {
        AuthError::Token(error) => match error {
            TokenError::Malformed(_) => TokenCheckResult::Malformed,
            TokenError::Type => TokenCheckResult::Type,
            TokenError::Expired => TokenCheckResult::Expired,
            TokenError::Audience => TokenCheckResult::Audience,
            TokenError::Method => TokenCheckResult::Method,
            TokenError::Issuer(_) => TokenCheckResult::Issuer,
            TokenError::Signature => TokenCheckResult::Signature,
        },
        AuthError::Dpop(error) => match error {
            DpopError::Token(_) => TokenCheckResult::AccessToken,
            DpopError::Proof(_) | DpopError::Binding(_) => TokenCheckResult::Proof,
            DpopError::Nonce(_) => TokenCheckResult::Nonce,
        },
        AuthError::Unresolvable => TokenCheckResult::Unresolvable,
        AuthError::PdsUnreachable => TokenCheckResult::PdsUnreachable,
        AuthError::Busy(_) => TokenCheckResult::Busy,
    }
}

/// Converts the error of a look-up; `refused` is for errors that last until the account's owner repairs them.
fn unknown(error: identity::ResolveError, refused: fn(&'static str) -> AuthError) -> AuthError {
    match error {
        identity::ResolveError::NotFound => refused("there is no such DID"),
        identity::ResolveError::Invalid(reason)
        | identity::ResolveError::Unsupported(reason)
        | identity::ResolveError::Refused(reason) => refused(reason),
        identity::ResolveError::Unreachable => AuthError::Unresolvable,
        identity::ResolveError::Busy(overload) => AuthError::Busy(overload),
    }
}

fn unknown_issuer(error: identity::ResolveError) -> AuthError {
    unknown(error, |reason| TokenError::Issuer(reason).into())
}

fn unknown_account(error: identity::ResolveError) -> AuthError {
    unknown(error, |reason| DpopError::Token(reason).into())
}

impl From<SessionError> for AuthError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Token(reason) => DpopError::Token(reason).into(),
            SessionError::Proof => DpopError::Proof("the account's PDS refuses it; a proof is good for one use").into(),
            SessionError::Nonce(nonce) => DpopError::Nonce(nonce).into(),
            SessionError::Unreachable => Self::PdsUnreachable,
            SessionError::Busy(overload) => Self::Busy(overload),
        }
    }
}
