//! Service tokens: JWTs that an account's PDS signs for one audience. Parsing and checking, all pure.
//!
//! Stricter than the reference verifier: no leniency in the form through which a token could be smuggled (padding,
//! duplicate names, embedded keys, DER signatures). The time and the issuer's key are arguments.
//! <https://atproto.com/specs/xrpc#inter-service-authentication-jwt>

use serde_json::{Map, Value};

use super::jwt::{Jwt, text, time};
use crate::identity::Account;
use atproto::lexicon::nsid;
use atproto::syntax::Did;

/// Limit of the time until `exp`.
const MAX_LIFE_S: i64 = 3600;
/// Tolerated difference between the issuer's clock and ours, for `exp`.
const LEEWAY_S: i64 = 30;
/// Limit of the issuer's clock being ahead of ours, for `iat` and `nbf`.
const MAX_AHEAD_S: i64 = 60;
/// Header fields that have or name a key of the sender's choice, or demand extensions.
const REFUSED_HEADERS: [&str; 5] = ["crit", "jwk", "jku", "x5c", "x5u"];

/// Errors of a service token. [`TokenError::name`] is the error name on the wire, `Display` its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// `BadJwt`: the token is malformed.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// `BadJwtType`: a token for another use (OAuth, session, proof of possession).
    #[error("the token is not a service token")]
    Type,
    /// `JwtExpired`
    #[error("the token has expired")]
    Expired,
    /// `BadJwtAudience`
    #[error("the token is for another service")]
    Audience,
    /// `BadJwtLexiconMethod`
    #[error("the token is for another method")]
    Method,
    /// `BadJwtIss`: the issuer is not an account whose key can be resolved.
    #[error("the token's issuer is not acceptable: {0}")]
    Issuer(&'static str),
    /// `BadJwtSignature`
    #[error("the token's signature does not match its issuer's key")]
    Signature,
}

impl TokenError {
    /// Returns the error name on the wire, as in the reference implementation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed(_) => "BadJwt",
            Self::Type => "BadJwtType",
            Self::Expired => "JwtExpired",
            Self::Audience => "BadJwtAudience",
            Self::Method => "BadJwtLexiconMethod",
            Self::Issuer(_) => "BadJwtIss",
            Self::Signature => "BadJwtSignature",
        }
    }
}

impl From<&'static str> for TokenError {
    fn from(reason: &'static str) -> Self {
        Self::Malformed(reason)
    }
}

/// The audience that a token must name.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The service's DID.
    pub did: Did,
    /// The id of its entry in its DID document, like `#atcr_hold`: the only fragment that an audience may have.
    pub service: &'static str,
}

/// The claims of a token. Times are Unix seconds.
#[derive(Debug)]
pub struct Claims {
    /// The account that issued the token.
    pub issuer: Did,
    audience: String,
    method: Option<String>,
    expires_s: i64,
    issued_s: Option<i64>,
    not_before_s: Option<i64>,
}

/// A parsed service token. Its signature is not verified yet.
pub struct ServiceToken<'a> {
    /// Its claims.
    pub claims: Claims,
    algorithm: &'static str,
    signed: &'a str,
    signature: [u8; 64],
}

impl<'a> ServiceToken<'a> {
    /// Parses `token` without verifying its signature.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::Type`] or [`TokenError::Issuer`].
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let jwt = Jwt::parse(token)?;
        // First, as tokens of another type have other claims.
        check_type(&jwt.header)?;
        let claims = Claims::read(&jwt.claims)?;
        let algorithm = check_header(&jwt.header, &claims.issuer)?;
        let signature = jwt.signature()?;
        Ok(Self { claims, algorithm, signed: jwt.signed, signature })
    }

    /// Verifies the signature with the key of `account`, which must be the issuer's.
    ///
    /// # Errors
    /// [`TokenError::Signature`]
    pub fn verify(&self, account: &Account) -> Result<(), TokenError> {
        let signed = account.has_signed(self.algorithm, self.signed.as_bytes(), &self.signature);
        if signed && account.did == self.claims.issuer { Ok(()) } else { Err(TokenError::Signature) }
    }
}

impl Claims {
    fn read(payload: &Map<String, Value>) -> Result<Self, TokenError> {
        let issuer = text(payload, "iss")?.ok_or(TokenError::Issuer("it is missing"))?;
        Ok(Self {
            issuer: Did::parse(issuer).map_err(|_| TokenError::Issuer("it must be a DID without a fragment"))?,
            audience: text(payload, "aud")?.unwrap_or_default().to_owned(),
            method: text(payload, "lxm")?.map(str::to_owned),
            expires_s: time(payload, "exp")?.ok_or(TokenError::Malformed("exp is missing"))?,
            issued_s: time(payload, "iat")?,
            not_before_s: time(payload, "nbf")?,
        })
    }

    /// Checks that the token is for `us`, for a call of `method`, and valid at `now_s` (Unix seconds).
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Audience`], [`TokenError::Method`], or
    /// [`TokenError::Malformed`] for times too far in the future.
    pub fn check(&self, us: &Audience, method: &str, now_s: i64) -> Result<(), TokenError> {
        if self.expires_s.saturating_add(LEEWAY_S) < now_s {
            return Err(TokenError::Expired);
        }
        if self.expires_s > now_s.saturating_add(MAX_LIFE_S + LEEWAY_S) {
            return Err(TokenError::Malformed("exp is more than an hour ahead"));
        }
        if [self.issued_s, self.not_before_s].into_iter().flatten().any(|at| at > now_s.saturating_add(MAX_AHEAD_S)) {
            return Err(TokenError::Malformed("iat or nbf is in the future"));
        }
        let fragment = self.audience.strip_prefix(us.did.as_str()).ok_or(TokenError::Audience)?;
        if !fragment.is_empty() && fragment != us.service {
            return Err(TokenError::Audience);
        }
        match self.method.as_deref() {
            // The only rpc permission in the registry's OAuth scope: its tokens have this method for every call.
            None => Ok(()),
            Some(named) if named == nsid::GET_RECORD.as_str() => Ok(()),
            Some(named) if named == method => Ok(()),
            Some(_) => Err(TokenError::Method),
        }
    }
}

fn check_type(header: &Map<String, Value>) -> Result<(), TokenError> {
    match text(header, "typ")? {
        Some(kind) if !kind.eq_ignore_ascii_case("JWT") => Err(TokenError::Type),
        _ => Ok(()),
    }
}

/// Returns the algorithm of an acceptable header.
fn check_header(header: &Map<String, Value>, issuer: &Did) -> Result<&'static str, TokenError> {
    if REFUSED_HEADERS.iter().any(|name| header.contains_key(*name)) {
        return Err(TokenError::Malformed("its header names a key or an extension"));
    }
    if let Some(key_id) = text(header, "kid")?
        && key_id.strip_prefix(issuer.as_str()).unwrap_or(key_id) != "#atproto"
    {
        return Err(TokenError::Malformed("its kid is not #atproto"));
    }
    match text(header, "alg")? {
        Some("ES256K") => Ok("ES256K"),
        Some("ES256") => Ok("ES256"),
        _ => Err(TokenError::Malformed("its alg must be ES256K or ES256")),
    }
}
