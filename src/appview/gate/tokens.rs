//! The registry's own tokens: JWTs that only this program makes and verifies, so a secret signs them (HS256).
//! <https://www.rfc-editor.org/rfc/rfc7519>

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::permits::{DeletePermit, PullPermit, PushPermit};
use super::scope::{Action, Scope};
use crate::accounts::{Login, SessionId};
use crate::names::RepositoryName;
use atproto::syntax::Did;
use server::bulkhead::Caller;

/// Life of an access token; a long upload shows it only when it begins.
const LIFE_S: u64 = 5 * 60;
/// Time for which an access token is accepted after its life: clients renew it by their own clocks, which may be late,
/// and skopeo fails when one is refused that it takes for good.
const GRACE_S: u64 = 60;
/// Life of a refresh token.
const REFRESH_LIFE_S: u64 = 90 * 24 * 60 * 60;
/// How far the clock may go back before tokens that were made until then count as expired: they would be good for as
/// long as it was ahead.
const CLOCK_LEEWAY_S: u64 = 5 * 60;
/// Maximum size of a token; one with all of its scopes is smaller.
const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// `{"alg":"HS256","typ":"JWT"}`, the header of all tokens.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The signing keys; a token signed with one is not accepted for the other.
pub struct TokenKeys {
    /// Key of access tokens.
    pub access: Zeroizing<[u8; 32]>,
    /// Key of refresh tokens.
    pub refresh: Zeroizing<[u8; 32]>,
}

/// Makes and verifies tokens.
pub struct Tokens {
    keys: TokenKeys,
    service: Box<str>,
}

/// Errors of the verification of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is not from this registry.
    #[error("the token is not one of this registry")]
    Invalid,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
}

/// The actions that a token permits in one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<Action>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// DID of the account; empty for an anonymous client.
    sub: String,
    /// Session of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    access: Vec<Access>,
    iat: u64,
    nbf: u64,
    exp: u64,
}

#[derive(Serialize, Deserialize)]
struct RefreshClaims {
    aud: String,
    sub: Did,
    sid: SessionId,
    /// Device that the token was issued to: it is valid as long as the account has that device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dev: Option<i64>,
    exp: u64,
}

/// The claims of a verified refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Account that signed in, with its session.
    pub login: Login,
    /// Number of the device that signed in, if it was one.
    pub device: Option<i64>,
}

/// The claims of a verified access token.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Account that signed in, with its session.
    pub login: Option<Login>,
    access: Vec<Access>,
}

impl Tokens {
    /// Makes tokens of the registry `service`: host and port.
    #[must_use]
    pub fn new(keys: TokenKeys, service: &str) -> Self {
        Self { keys, service: service.into() }
    }

    /// Returns the life of an access token, in seconds.
    #[must_use]
    pub fn life_s(&self) -> u64 {
        LIFE_S
    }

    /// Returns an access token with the scopes `granted`.
    #[must_use]
    pub fn issue(&self, login: Option<&Login>, granted: &[Scope], now_s: u64) -> String {
        let access = |scope: &Scope| Access {
            kind: "repository".into(),
            name: scope.repository.clone(),
            actions: scope.actions.clone(),
        };
        let claims = Claims {
            iss: self.service.to_string(),
            aud: self.service.to_string(),
            sub: login.map(|login| login.account.to_string()).unwrap_or_default(),
            sid: login.map(|login| login.session),
            access: granted.iter().map(access).collect(),
            iat: now_s,
            nbf: now_s,
            exp: now_s + LIFE_S,
        };
        sign(&self.keys.access, &claims)
    }

    /// Returns a refresh token, which a client keeps instead of the password.
    #[must_use]
    pub fn issue_refresh(&self, login: &Login, device: Option<i64>, now_s: u64) -> String {
        let claims = RefreshClaims {
            aud: self.service.to_string(),
            sub: login.account.clone(),
            sid: login.session,
            dev: device,
            exp: now_s + REFRESH_LIFE_S,
        };
        sign(&self.keys.refresh, &claims)
    }

    /// Verifies an access token and returns its claims.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Grant, TokenError> {
        let claims: Claims = open(&self.keys.access, token)?;
        if *claims.aud != *self.service || *claims.iss != *self.service {
            return Err(TokenError::Invalid);
        }
        if has_expired(claims.exp.saturating_add(GRACE_S), LIFE_S + GRACE_S, now_s) {
            return Err(TokenError::Expired);
        }
        let login = match (claims.sub.as_str(), claims.sid) {
            ("", None) => None,
            (did, Some(session)) => Some(Login { account: Did::parse(did).map_err(|_| TokenError::Invalid)?, session }),
            _ => return Err(TokenError::Invalid),
        };
        Ok(Grant { login, access: claims.access })
    }

    /// Verifies a refresh token and returns its claims.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn verify_refresh(&self, token: &str, now_s: u64) -> Result<Refresh, TokenError> {
        let claims: RefreshClaims = open(&self.keys.refresh, token)?;
        match claims {
            _ if *claims.aud != *self.service => Err(TokenError::Invalid),
            _ if has_expired(claims.exp, REFRESH_LIFE_S, now_s) => Err(TokenError::Expired),
            RefreshClaims { sub, sid, dev, .. } => {
                Ok(Refresh { login: Login { account: sub, session: sid }, device: dev })
            }
        }
    }
}

impl Grant {
    /// Returns the permit to read in a repository; `None` if the token does not permit it.
    #[must_use]
    pub fn pull(&self, repository: &RepositoryName) -> Option<PullPermit> {
        let may_push = self.allows(repository, Action::Push) && self.login.is_some();
        self.allows(repository, Action::Pull).then(|| PullPermit {
            repository: repository.clone(),
            login: self.login.clone(),
            may_push,
            caller: Caller::Unknown,
        })
    }

    /// Returns the permit to write in a repository; `None` if the token does not permit it.
    #[must_use]
    pub fn push(&self, repository: &RepositoryName) -> Option<PushPermit> {
        let login = self.login.clone().filter(|_| self.allows(repository, Action::Push))?;
        Some(PushPermit { repository: repository.clone(), login })
    }

    /// Returns the permit to delete in a repository, which a token to push permits as well; `None` if the token does
    /// not.
    #[must_use]
    pub fn delete(&self, repository: &RepositoryName) -> Option<DeletePermit> {
        let allowed = [Action::Delete, Action::Push].iter().any(|action| self.allows(repository, *action));
        let login = self.login.clone().filter(|_| allowed)?;
        Some(DeletePermit { repository: repository.clone(), login })
    }

    fn allows(&self, repository: &RepositoryName, action: Action) -> bool {
        self.access.iter().any(|access| access.name == repository.as_str() && access.actions.contains(&action))
    }
}

/// Whether a token of this life has expired, or was made by a clock that was ahead.
fn has_expired(exp: u64, life_s: u64, now_s: u64) -> bool {
    now_s >= exp || exp > now_s + life_s + CLOCK_LEEWAY_S
}

fn mac(key: &[u8; 32], signed: &str) -> Hmac<Sha256> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    mac.update(signed.as_bytes());
    mac
}

fn sign(key: &[u8; 32], claims: &impl Serialize) -> String {
    // Serialization fails only for maps with keys that are no strings, which claims have not.
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{HEADER}.{}", BASE64URL_NOPAD.encode(&claims));
    let signature = BASE64URL_NOPAD.encode(&mac(key, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

fn open<T: DeserializeOwned>(key: &[u8; 32], token: &str) -> Result<T, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Invalid);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| TokenError::Invalid)?;
    mac(key, signed).verify_slice(&signature).map_err(|_| TokenError::Invalid)?;
    let (_, claims) = signed.split_once('.').ok_or(TokenError::Invalid)?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).map_err(|_| TokenError::Invalid)?;
    serde_json::from_slice(&claims).map_err(|_| TokenError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(service: &str) -> Tokens {
        Tokens::new(TokenKeys { access: Zeroizing::new([1; 32]), refresh: Zeroizing::new([2; 32]) }, service)
    }

    fn login() -> Login {
        Login { account: Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap(), session: 7 }
    }

    fn scope(actions: &[Action]) -> Vec<Scope> {
        vec![Scope { repository: "alice.test/app".into(), actions: actions.to_vec() }]
    }

    #[test]
    fn a_token_allows_what_it_says_where_it_says_it() {
        let (tokens, now_s) = (tokens("r.example"), 1_000_000);
        let (app, other) =
            (RepositoryName::parse("alice.test/app").unwrap(), RepositoryName::parse("alice.test/other").unwrap());
        let both = tokens.issue(Some(&login()), &scope(&[Action::Pull, Action::Push]), now_s);
        let grant = tokens.verify(&both, now_s).unwrap();
        assert_eq!(*grant.push(&app).unwrap().login(), login());
        assert!(grant.pull(&app).unwrap().may_push());
        assert!(grant.pull(&other).is_none() && grant.push(&other).is_none());
        assert!(grant.delete(&app).is_some() && grant.delete(&other).is_none());
        let only = tokens.issue(Some(&login()), &scope(&[Action::Delete]), now_s);
        let grant = tokens.verify(&only, now_s).unwrap();
        assert!(grant.delete(&app).is_some() && grant.push(&app).is_none() && grant.pull(&app).is_none());
        let nobody = tokens.issue(None, &scope(&[Action::Pull, Action::Push]), now_s);
        let grant = tokens.verify(&nobody, now_s).unwrap();
        assert!(grant.push(&app).is_none() && grant.delete(&app).is_none(), "nobody owns anything");
        assert!(!grant.pull(&app).unwrap().may_push());
    }

    #[test]
    fn tokens_of_others_and_changed_ones_are_none() {
        let (tokens, now_s) = (tokens("r.example"), 1_000_000);
        let token = tokens.issue(Some(&login()), &scope(&[Action::Pull]), now_s);
        assert_eq!(tokens.verify(&token, now_s + LIFE_S + GRACE_S).unwrap_err(), TokenError::Expired);
        assert!(tokens.verify(&token, now_s + LIFE_S + GRACE_S - 1).is_ok(), "the client's clock is late");
        assert!(tokens.verify(&token, now_s - CLOCK_LEEWAY_S).is_ok(), "the clock was put right");
        assert_eq!(tokens.verify(&token, now_s - CLOCK_LEEWAY_S - 1).unwrap_err(), TokenError::Expired);
        let refresh = tokens.issue_refresh(&login(), Some(3), now_s);
        let expected = Refresh { login: login(), device: Some(3) };
        assert_eq!(tokens.verify_refresh(&refresh, now_s + LIFE_S), Ok(expected));
        assert_eq!(tokens.verify_refresh(&refresh, now_s + REFRESH_LIFE_S), Err(TokenError::Expired));
        assert_eq!(tokens.verify_refresh(&refresh, now_s - CLOCK_LEEWAY_S - 1), Err(TokenError::Expired));
        assert_eq!(tokens.verify_refresh(&token, now_s), Err(TokenError::Invalid), "one is not the other");
        let elsewhere = self::tokens("other.example").issue(None, &[], now_s);
        let (head, signature) = token.rsplit_once('.').unwrap();
        let unsigned = format!("{head}.");
        for bad in [&refresh, &elsewhere, &unsigned, &format!("{head}x.{signature}"), "", "a.b.c", &"x".repeat(40_000)]
        {
            assert_eq!(tokens.verify(bad, now_s).unwrap_err(), TokenError::Invalid, "{bad:.60}");
        }
    }
}
