//! From a token to the account that it proves.
//!
//! In two steps, so that the caller can say in between whether the claimed account is a member: members are
//! looked up in a lane of their own, which no flood of strangers can fill. A token that was proven once is
//! remembered until it expires (with a proof: for a moment), so that its next use costs one hash.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::dpop::BoundToken;
use super::service_token::{Audience, Claims, ServiceToken};
use super::{AuthError, DpopError, Presented, TokenError};
use crate::identity::{self, Account, Lane, LookUps, PdsUrl, Question, Resolver, SessionError, SessionKey, Sessions};
use crate::metrics::Tally;
use atproto::lexicon::nsid;
use atproto::syntax::Did;

/// Proven tokens remembered; at about 500 bytes each, 2 MiB.
const MAX_TOKENS: usize = 4096;

type TokenHash = [u8; 32];

/// How checks of tokens end: the token was proven before, or now; or by which name it was refused; or why it could not be
/// proven.
pub type TokenChecks = Tally<15>;

const CHECKS: [&str; 15] = [
    "known",
    "proven",
    "BadJwt",
    "BadJwtType",
    "JwtExpired",
    "BadJwtAudience",
    "BadJwtLexiconMethod",
    "BadJwtIss",
    "BadJwtSignature",
    "invalid_token",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "unresolvable",
    "pds_unreachable",
    "busy",
];

/// Proves tokens for one hold.
pub struct Authenticator {
    us: Audience,
    resolver: Resolver,
    sessions: Sessions,
    proven: Cache<TokenHash, Arc<Claims>>,
    checks: TokenChecks,
}

/// What [`Authenticator::check`] found.
pub enum Checked<'a> {
    /// The token was proven before: the caller is this account.
    Proven(Did),
    /// All is well as far as the token itself tells.
    Claimed(Claimed<'a>),
}

/// A token whose claims are acceptable, not yet proven.
pub struct Claimed<'a>(Claim<'a>);

enum Claim<'a> {
    /// A service token, for its issuer's key to prove.
    Service { token: Box<ServiceToken<'a>>, hash: TokenHash },
    /// An access token with its proof, for the account's PDS to prove.
    Session { token: Box<BoundToken<'a>>, key: SessionKey },
}

impl Claimed<'_> {
    /// The account that the token claims to speak for.
    #[must_use]
    pub fn account(&self) -> &Did {
        match &self.0 {
            Claim::Service { token, .. } => &token.claims.issuer,
            Claim::Session { token, .. } => &token.account,
        }
    }
}

impl Authenticator {
    /// For the service that tokens must be for.
    #[must_use]
    pub fn new(us: Audience, resolver: Resolver) -> Self {
        let checks = Tally::new(CHECKS);
        Self { us, sessions: resolver.sessions(), resolver, proven: Cache::new(MAX_TOKENS), checks }
    }

    /// Checks all that can be checked without asking anybody of what was sent with a call of `method` (an NSID) at
    /// `now_s` (Unix seconds).
    ///
    /// # Errors
    /// [`AuthError::Token`] or [`AuthError::Dpop`].
    pub fn check<'a>(&self, presented: Presented<'a>, method: &str, now_s: i64) -> Result<Checked<'a>, AuthError> {
        let outcome = match presented {
            Presented::Bearer(token) => self.check_service_token(token, method, now_s).map_err(AuthError::from),
            Presented::Dpop { token, proof } => self.check_session(token, proof, now_s).map_err(AuthError::from),
        };
        match &outcome {
            Ok(Checked::Proven(_)) => self.checks.one("known"),
            // It is counted when it is proven.
            Ok(Checked::Claimed(_)) => {}
            Err(error) => self.checks.one(result_of(error)),
        }
        outcome
    }

    fn check_service_token<'a>(&self, token: &'a str, method: &str, now_s: i64) -> Result<Checked<'a>, TokenError> {
        let hash = Sha256::digest(token).into();
        if let Some(claims) = self.proven.get(&hash) {
            claims.check(&self.us, method, now_s)?;
            return Ok(Checked::Proven(claims.issuer.clone()));
        }
        let token = Box::new(ServiceToken::parse(token)?);
        token.claims.check(&self.us, method, now_s)?;
        Ok(Checked::Claimed(Claimed(Claim::Service { token, hash })))
    }

    fn check_session<'a>(&self, token: &'a str, proof: &'a str, now_s: i64) -> Result<Checked<'a>, DpopError> {
        // Neither text has a line break.
        let key = Sha256::digest([token, "\n", proof].concat()).into();
        if let Some(account) = self.sessions.known(&key) {
            return Ok(Checked::Proven(account));
        }
        let token = Box::new(BoundToken::check(token, proof, now_s)?);
        Ok(Checked::Claimed(Claimed(Claim::Session { token, key })))
    }

    /// Proves `claimed`, and remembers it: a service token by its issuer's key, an access token by asking the account's
    /// PDS. When they do not fit, the account's document is read once more, for it may have changed.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn prove(&self, claimed: Claimed<'_>, lane: Lane) -> Result<Did, AuthError> {
        let outcome = self.verify(claimed, lane).await;
        self.checks.one(outcome.as_ref().map_or_else(result_of, |_| "proven"));
        outcome
    }

    /// How the checks of tokens ended.
    #[must_use]
    pub fn checks(&self) -> &TokenChecks {
        &self.checks
    }

    /// How look-ups of accounts ended.
    #[must_use]
    pub fn look_ups(&self) -> &LookUps {
        self.resolver.look_ups()
    }

    async fn verify(&self, claimed: Claimed<'_>, lane: Lane) -> Result<Did, AuthError> {
        match claimed.0 {
            Claim::Service { token, hash } => self.prove_service_token(*token, hash, lane).await,
            Claim::Session { token, key } => {
                let question = Question {
                    key,
                    url: self.session_url(&token, lane).await?,
                    authorization: format!("DPoP {}", token.token),
                    proof: token.proof.to_owned(),
                    account: token.account.clone(),
                    lifetime: token.lifetime,
                };
                self.sessions.ask(question, lane).await?;
                Ok(token.account)
            }
        }
    }

    async fn prove_service_token(
        &self,
        token: ServiceToken<'_>,
        hash: TokenHash,
        lane: Lane,
    ) -> Result<Did, AuthError> {
        let issuer = &token.claims.issuer;
        let known = self.resolver.resolve(issuer, lane).await.map_err(unknown_issuer)?;
        if token.verify(&known).is_err() {
            let newer = self.resolver.refresh(issuer, lane).await.map_err(unknown_issuer)?;
            if Arc::ptr_eq(&known, &newer) {
                return Err(TokenError::Signature.into());
            }
            token.verify(&newer)?;
        }
        let issuer = issuer.clone();
        self.proven.insert(hash, Arc::new(token.claims));
        Ok(issuer)
    }

    /// Where the PDS of the account is asked for the session, which must be what the proof is for.
    async fn session_url(&self, token: &BoundToken<'_>, lane: Lane) -> Result<PdsUrl, AuthError> {
        let url_of = |account: &Account| self.resolver.pds_method(account, &nsid::GET_SESSION);
        let known = self.resolver.resolve(&token.account, lane).await.map_err(unknown_account)?;
        let url = url_of(&known).map_err(unknown_account)?;
        if token.is_for(&url.to_string()) {
            return Ok(url);
        }
        // The account may have moved to another PDS.
        let newer = self.resolver.refresh(&token.account, lane).await.map_err(unknown_account)?;
        let url = url_of(&newer).map_err(unknown_account)?;
        if token.is_for(&url.to_string()) {
            return Ok(url);
        }
        Err(DpopError::Binding(url.to_string()).into())
    }
}

/// Under what a failed check is counted.
fn result_of(error: &AuthError) -> &'static str {
    match error {
        AuthError::Token(error) => error.name(),
        AuthError::Dpop(error) => error.name(),
        AuthError::Unresolvable => "unresolvable",
        AuthError::PdsUnreachable => "pds_unreachable",
        AuthError::Busy => "busy",
    }
}

/// Why an account is not known; `refused` is for what lasts until its owner repairs it.
fn unknown(error: identity::Error, refused: fn(&'static str) -> AuthError) -> AuthError {
    match error {
        identity::Error::NotFound => refused("there is no such DID"),
        identity::Error::Invalid(reason) | identity::Error::Unsupported(reason) => refused(reason),
        identity::Error::Unreachable => AuthError::Unresolvable,
        identity::Error::Busy => AuthError::Busy,
    }
}

fn unknown_issuer(error: identity::Error) -> AuthError {
    unknown(error, |reason| TokenError::Issuer(reason).into())
}

fn unknown_account(error: identity::Error) -> AuthError {
    unknown(error, |reason| DpopError::Token(reason).into())
}

impl From<SessionError> for AuthError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Token(reason) => DpopError::Token(reason).into(),
            SessionError::Proof => DpopError::Proof("the account's PDS refuses it; a proof is good for one use").into(),
            SessionError::Nonce(nonce) => DpopError::Nonce(nonce).into(),
            SessionError::Unreachable => Self::PdsUnreachable,
            SessionError::Busy => Self::Busy,
        }
    }
}
