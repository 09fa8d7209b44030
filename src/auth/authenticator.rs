//! From a token to the account that it proves.
//!
//! In two steps, so that the caller can say in between whether the claimed account is a member: members are
//! looked up in a lane of their own, which no flood of strangers can fill. A token that was proven once is
//! remembered until it expires, so that its next use costs one hash.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::service_token::{Claims, ServiceToken};
use super::{AuthError, TokenError};
use crate::identity::{self, Lane, LookUps, Resolver};
use crate::metrics::Tally;
use crate::syntax::Did;

/// Proven tokens remembered; at about 500 bytes each, 2 MiB.
const MAX_TOKENS: usize = 4096;

type TokenHash = [u8; 32];

/// How checks of tokens end: the token was proven before, or now; or by which name it was refused; or why it could not be
/// proven.
pub type TokenChecks = Tally<11>;

const CHECKS: [&str; 11] = [
    "known",
    "proven",
    "BadJwt",
    "BadJwtType",
    "JwtExpired",
    "BadJwtAudience",
    "BadJwtLexiconMethod",
    "BadJwtIss",
    "BadJwtSignature",
    "unresolvable",
    "busy",
];

/// Proves service tokens for one hold.
pub struct Authenticator {
    hold: Did,
    resolver: Resolver,
    proven: Cache<TokenHash, Arc<Claims>>,
    checks: TokenChecks,
}

/// What [`Authenticator::check`] found.
pub enum Checked<'a> {
    /// The token was proven before: the caller is this account.
    Proven(Did),
    /// All is well but the signature, which was not looked at.
    Claimed(Claimed<'a>),
}

/// A token whose claims are acceptable, not yet proven.
pub struct Claimed<'a> {
    token: Box<ServiceToken<'a>>,
    hash: TokenHash,
}

impl Claimed<'_> {
    /// The account that the token claims to speak for.
    #[must_use]
    pub fn issuer(&self) -> &Did {
        &self.token.claims.issuer
    }
}

impl Authenticator {
    /// For the hold with the DID `hold`.
    #[must_use]
    pub fn new(hold: Did, resolver: Resolver) -> Self {
        Self { hold, resolver, proven: Cache::new(MAX_TOKENS), checks: Tally::new(CHECKS) }
    }

    /// Checks everything but the signature of `token`, sent with a call of `method` (an NSID) at `now_s`
    /// (Unix seconds).
    ///
    /// # Errors
    /// [`TokenError`], any but [`TokenError::Signature`].
    pub fn check<'a>(&self, token: &'a str, method: &str, now_s: i64) -> Result<Checked<'a>, TokenError> {
        let outcome = self.look_at(token, method, now_s);
        match &outcome {
            Ok(Checked::Proven(_)) => self.checks.one("known"),
            // It is counted when it is proven.
            Ok(Checked::Claimed(_)) => {}
            Err(error) => self.checks.one(error.name()),
        }
        outcome
    }

    fn look_at<'a>(&self, token: &'a str, method: &str, now_s: i64) -> Result<Checked<'a>, TokenError> {
        let hash = Sha256::digest(token).into();
        if let Some(claims) = self.proven.get(&hash) {
            claims.check(&self.hold, method, now_s)?;
            return Ok(Checked::Proven(claims.issuer.clone()));
        }
        let token = Box::new(ServiceToken::parse(token)?);
        token.claims.check(&self.hold, method, now_s)?;
        Ok(Checked::Claimed(Claimed { token, hash }))
    }

    /// Proves `claimed` by the issuer's key, and remembers the token. When the signature does not match, the
    /// issuer's document is read once more, for the key may have changed.
    ///
    /// # Errors
    /// [`AuthError`]
    pub async fn prove(&self, claimed: Claimed<'_>, lane: Lane) -> Result<Did, AuthError> {
        let outcome = self.verify(claimed, lane).await;
        self.checks.one(match &outcome {
            Ok(_) => "proven",
            Err(AuthError::Token(error)) => error.name(),
            Err(AuthError::Unresolvable) => "unresolvable",
            Err(AuthError::Busy) => "busy",
        });
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
        let Claimed { token, hash } = claimed;
        let issuer = &token.claims.issuer;
        let known = self.resolver.resolve(issuer, lane).await?;
        if token.verify(&known).is_err() {
            let newer = self.resolver.refresh(issuer, lane).await?;
            if Arc::ptr_eq(&known, &newer) {
                return Err(TokenError::Signature.into());
            }
            token.verify(&newer)?;
        }
        let issuer = issuer.clone();
        self.proven.insert(hash, Arc::new(token.claims));
        Ok(issuer)
    }
}

impl From<identity::Error> for AuthError {
    fn from(error: identity::Error) -> Self {
        match error {
            identity::Error::NotFound => TokenError::Issuer("there is no such DID").into(),
            identity::Error::Invalid(reason) | identity::Error::Unsupported(reason) => {
                TokenError::Issuer(reason).into()
            }
            identity::Error::Unreachable => Self::Unresolvable,
            identity::Error::Busy => Self::Busy,
        }
    }
}
