//! OAuth access tokens that are bound to a key, and their DPoP proofs. Parsing and checking, all pure.
//!
//! An access token is for the account's own PDS, and only the PDS knows whether it is valid: the hold asks it for the
//! session with the very token and proof that it was sent. Therefore a proof must be for that request, `GET` of
//! `com.atproto.server.getSession` at the PDS, not for the call of the hold: the PDS could not check one for the hold's
//! URL. Everything that can be checked without the PDS is checked first: the form of both, the proof's signature, age,
//! address and hash of the token, and that the token is bound to the proof's key. Issuer and audience of the token are
//! left to the PDS: its name as an audience, and its authorization server, may be of another host.
//!
//! The limit of this: the proof does not name the hold, so a recipient of token and proof, such as a dishonest hold,
//! can use them elsewhere before they are used up. The reference PDS accepts a proof once, for three minutes. A service
//! token names its audience, and does not have this weakness.
//! <https://www.rfc-editor.org/rfc/rfc9449> <https://atproto.com/specs/oauth>

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::jwt::{self, Jwt, text, time};
use atproto::keys::{HighS, PublicKey};
use atproto::syntax::Did;

/// Limit of a proof's age: as long as the reference PDS accepts its own nonces.
const MAX_AGE_S: i64 = 180;
/// Limit of the caller's or the issuer's clock being ahead of ours.
const MAX_AHEAD_S: i64 = 60;

/// Errors of an access token or its proof. [`DpopError::name`] is the error name on the wire, `Display` its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// `invalid_token`: the caller must get another access token.
    #[error("the access token is not acceptable: {0}")]
    Token(&'static str),
    /// `invalid_dpop_proof`: the caller must make another proof.
    #[error("the DPoP proof is not acceptable: {0}")]
    Proof(&'static str),
    /// `invalid_dpop_proof`: the proof is for another request than the one that the hold makes with it, a GET of this
    /// URL.
    #[error("the DPoP proof must be for GET {0}, which the hold asks with it, and not for the hold's own URL")]
    Binding(String),
    /// `use_dpop_nonce`: the next proof must have this nonce of the account's PDS, which is visible ASCII.
    #[error("the account's PDS demands a nonce in the DPoP proof: see the DPoP-Nonce header")]
    Nonce(String),
}

impl DpopError {
    /// Returns the error name on the wire, as in RFC 9449 and the reference PDS.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "invalid_token",
            Self::Proof(_) | Self::Binding(_) => "invalid_dpop_proof",
            Self::Nonce(_) => "use_dpop_nonce",
        }
    }
}

/// An access token and a proof that match. Only the account's PDS can tell whether the token is valid.
pub(super) struct BoundToken<'t> {
    /// The account that the token names.
    pub(super) account: Did,
    /// Time until the token expires.
    pub(super) lifetime: Duration,
    pub(super) token: &'t str,
    pub(super) proof: &'t str,
    /// The HTTP method that the proof is for.
    method: String,
    url: Url,
}

impl<'t> BoundToken<'t> {
    /// Checks both at `now_s` (Unix seconds), except the proof's method and URL.
    pub(super) fn check(token: &'t str, proof: &'t str, now_s: i64) -> Result<Self, DpopError> {
        let access = AccessToken::read(token, now_s).map_err(DpopError::Token)?;
        let (method, url) = check_proof(proof, &access, token, now_s).map_err(DpopError::Proof)?;
        Ok(Self { account: access.account, lifetime: access.lifetime, token, proof, method, url })
    }

    /// Whether the proof is for a GET of `url`.
    pub(super) fn is_for(&self, url: &str) -> bool {
        self.method == "GET" && Url::parse(url).is_ok_and(|url| url == self.url)
    }
}

/// The claims read of an access token.
struct AccessToken {
    account: Did,
    lifetime: Duration,
    /// The thumbprint of the key that the token is bound to.
    thumbprint: String,
}

impl AccessToken {
    fn read(token: &str, now_s: i64) -> Result<Self, &'static str> {
        let Jwt { claims, .. } = Jwt::parse(token)?;
        let account = text(&claims, "sub")?.and_then(|sub| Did::parse(sub).ok()).ok_or("its sub must be a DID")?;
        let expires_s = time(&claims, "exp")?.ok_or("exp is missing")?;
        if expires_s <= now_s {
            return Err("it has expired");
        }
        if ahead(&claims, now_s)? {
            return Err("iat or nbf is in the future");
        }
        let key = claims.get("cnf").and_then(Value::as_object).map(|key| text(key, "jkt")).transpose()?.flatten();
        let thumbprint = key.ok_or("it is not bound to a key")?.to_owned();
        Ok(Self { account, lifetime: Duration::from_secs(expires_s.abs_diff(now_s)), thumbprint })
    }
}

/// Returns the method and URL of a proof that is otherwise valid for the token with this text.
fn check_proof(proof: &str, access: &AccessToken, token: &str, now_s: i64) -> Result<(String, Url), &'static str> {
    let jwt = Jwt::parse(proof)?;
    let (key, thumbprint) = key(&jwt.header)?;
    if thumbprint != access.thumbprint {
        return Err("the access token is bound to another key");
    }
    check_times(&jwt.claims, now_s)?;
    if text(&jwt.claims, "jti")?.is_none_or(str::is_empty) {
        return Err("jti is missing");
    }
    if text(&jwt.claims, "ath")? != Some(&base64url_of_hash(token)) {
        return Err("its ath is not the hash of the access token");
    }
    let method = text(&jwt.claims, "htm")?.ok_or("htm is missing")?.to_owned();
    let url = text(&jwt.claims, "htu")?.and_then(|url| Url::parse(url).ok()).ok_or("its htu must be a URL")?;
    // Half of all signatures of most signers, browsers among them, are high-S.
    let verified = key.verify(jwt.signed.as_bytes(), &jwt.signature()?, HighS::Accept);
    verified.map_err(|_| "its signature does not match")?;
    Ok((method, url))
}

/// Returns the key in the header of a proof, and its thumbprint. <https://www.rfc-editor.org/rfc/rfc7638>
fn key(header: &Map<String, Value>) -> Result<(PublicKey, String), &'static str> {
    if text(header, "typ")? != Some("dpop+jwt") {
        return Err("its typ must be dpop+jwt");
    }
    // Every atproto client supports it, and no other is needed.
    if text(header, "alg")? != Some("ES256") {
        return Err("its alg must be ES256");
    }
    if header.contains_key("crit") {
        return Err("its header demands an extension");
    }
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or("its jwk is missing")?;
    if text(jwk, "kty")? != Some("EC") || text(jwk, "crv")? != Some("P-256") {
        return Err("its jwk must be a P-256 key");
    }
    if jwk.contains_key("d") {
        return Err("its jwk must not have the private key");
    }
    let coordinate = |name| -> Result<[u8; 32], &'static str> {
        let bytes = jwt::decode(text(jwk, name)?.unwrap_or_default())?;
        bytes.try_into().map_err(|_| "the coordinates of its jwk must have 32 bytes")
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    let key = PublicKey::from_p256_coordinates(&x, &y).map_err(|_| "its jwk is not a point of P-256")?;
    Ok((key, thumbprint(&x, &y)))
}

/// Returns the thumbprint of the P-256 key with these coordinates.
pub(super) fn thumbprint(x: &[u8; 32], y: &[u8; 32]) -> String {
    let [x, y] = [x, y].map(|bytes| BASE64URL_NOPAD.encode(bytes));
    base64url_of_hash(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
}

fn check_times(claims: &Map<String, Value>, now_s: i64) -> Result<(), &'static str> {
    let issued_s = time(claims, "iat")?.ok_or("iat is missing")?;
    if issued_s < now_s.saturating_sub(MAX_AGE_S) || time(claims, "exp")?.is_some_and(|expires_s| expires_s <= now_s) {
        return Err("it is too old");
    }
    if ahead(claims, now_s)? { Err("iat or nbf is in the future") } else { Ok(()) }
}

/// Whether `iat` or `nbf` is further in the future than clocks may differ.
fn ahead(claims: &Map<String, Value>, now_s: i64) -> Result<bool, &'static str> {
    let latest_s = now_s.saturating_add(MAX_AHEAD_S);
    Ok([time(claims, "iat")?, time(claims, "nbf")?].into_iter().flatten().any(|at| at > latest_s))
}

fn base64url_of_hash(text: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::{BoundToken, Value, key};
    use crate::tokens::made::{ProofFor, dpop_proof, key_thumbprint};
    use atproto::keys::P256Key;
    use data_encoding::BASE64URL_NOPAD;

    #[test]
    fn a_proof_that_we_make_is_one_that_we_take() {
        let (key, now_s) = (P256Key::from_bytes(&[0x42; 32]).unwrap(), 1_800_000_000_i64);
        let claims = serde_json::json!({
            "sub": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "exp": now_s + 60, "cnf": { "jkt": key_thumbprint(&key) },
        });
        let token = format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let url = "https://pds.example/xrpc/com.atproto.server.getSession";
        let wanted = ProofFor { method: "GET", url, token: Some(&token), nonce: None };
        let proof = dpop_proof(&key, &wanted, now_s.cast_unsigned(), &[7; 32]);
        let bound = BoundToken::check(&token, &proof, now_s).unwrap();
        assert!(bound.is_for(url) && !bound.is_for("https://pds.example/xrpc/a.b.c"));
        let other = dpop_proof(&P256Key::from_bytes(&[0x43; 32]).unwrap(), &wanted, now_s.cast_unsigned(), &[7; 32]);
        assert!(BoundToken::check(&token, &other, now_s).is_err());
    }

    #[test]
    fn the_thumbprint_is_of_rfc_7638() {
        // The example key of RFC 9449, section 6.1, and its thumbprint.
        let header = serde_json::json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": {
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        }});
        let Value::Object(header) = header else { panic!("an object") };
        assert_eq!(key(&header).unwrap().1, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
}
