//! The tokens that an OAuth client makes with its keys: DPoP proofs and client assertions. Pure: the time and the
//! random identifiers are arguments. <https://www.rfc-editor.org/rfc/rfc9449>, <https://www.rfc-editor.org/rfc/rfc7523>

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::dpop::thumbprint;
use atproto::keys::P256Key;

/// Seconds by which `iat` is before now: the reference server refuses a token issued after its own time, and clocks
/// differ.
const BACKDATED_S: u64 = 30;
/// Lifetime of an assertion, in seconds from now.
const ASSERTION_LIFE_S: u64 = 60;

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct ProofFor<'p> {
    /// The method of the request.
    pub method: &'p str,
    /// Its URL, without query and fragment.
    pub url: &'p str,
    /// The access token sent with it, if any.
    pub token: Option<&'p str>,
    /// The last nonce from the server.
    pub nonce: Option<&'p str>,
}

/// Returns the public key as a JSON Web Key.
#[must_use]
pub fn public_jwk(key: &P256Key) -> Value {
    let (x, y) = key.coordinates();
    json!({ "kty": "EC", "crv": "P-256", "x": BASE64URL_NOPAD.encode(&x), "y": BASE64URL_NOPAD.encode(&y) })
}

/// Returns the thumbprint of a key, its `kid`. <https://www.rfc-editor.org/rfc/rfc7638>
#[must_use]
pub fn key_thumbprint(key: &P256Key) -> String {
    let (x, y) = key.coordinates();
    thumbprint(&x, &y)
}

/// Returns a DPoP proof, signed by `key`.
#[must_use]
pub fn dpop_proof(key: &P256Key, wanted: &ProofFor<'_>, now_s: u64, id: &[u8; 32]) -> String {
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key) });
    let mut claims = json!({
        "jti": BASE64URL_NOPAD.encode(id),
        "htm": wanted.method,
        "htu": wanted.url,
        "iat": now_s.saturating_sub(BACKDATED_S),
    });
    if let Some(token) = wanted.token {
        claims["ath"] = BASE64URL_NOPAD.encode(&Sha256::digest(token)).into();
    }
    if let Some(nonce) = wanted.nonce {
        claims["nonce"] = nonce.into();
    }
    signed(key, &header, &claims)
}

/// Returns an assertion that authenticates a confidential client to the authorization server `issuer`.
#[must_use]
pub fn client_assertion(key: &P256Key, client_id: &str, issuer: &str, now_s: u64, id: &[u8; 32]) -> String {
    let made_s = now_s.saturating_sub(BACKDATED_S);
    let header = json!({ "typ": "JWT", "alg": "ES256", "kid": key_thumbprint(key) });
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": BASE64URL_NOPAD.encode(id),
        "iat": made_s,
        // Counted from now, not from `iat`: a server whose clock is ahead by less than this accepts it.
        "exp": now_s + ASSERTION_LIFE_S,
    });
    signed(key, &header, &claims)
}

fn signed(key: &P256Key, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", encode(header), encode(claims));
    let signature = BASE64URL_NOPAD.encode(&key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::jwt::Jwt;

    const NOW_S: u64 = 1_800_000_000;

    fn key() -> P256Key {
        P256Key::from_bytes(&[0x42; 32]).unwrap()
    }

    #[test]
    fn an_assertion_is_for_one_server_and_short() {
        let text =
            client_assertion(&key(), "https://r.example/client-metadata.json", "https://as.example", NOW_S, &[7; 32]);
        let Jwt { header, claims, .. } = Jwt::parse(&text).unwrap();
        assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some("ES256"), Some(&*key_thumbprint(&key()))));
        assert_eq!(claims["aud"], "https://as.example");
        assert_eq!((claims["iss"].clone(), claims["iat"].clone()), (claims["sub"].clone(), json!(NOW_S - 30)));
        assert_eq!(claims["exp"], NOW_S + 60);
        assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 43));
    }

    #[test]
    fn a_proof_without_token_and_nonce_has_neither() {
        let wanted = ProofFor { method: "POST", url: "https://as.example/par", token: None, nonce: None };
        let text = dpop_proof(&key(), &wanted, NOW_S, &[7; 32]);
        let Jwt { claims, .. } = Jwt::parse(&text).unwrap();
        assert!(!claims.contains_key("ath") && !claims.contains_key("nonce"));
        let with = dpop_proof(&key(), &ProofFor { token: Some("t"), nonce: Some("n"), ..wanted }, NOW_S, &[8; 32]);
        let Jwt { claims, .. } = Jwt::parse(&with).unwrap();
        assert_eq!((claims["nonce"].as_str(), claims["htm"].as_str()), (Some("n"), Some("POST")));
        assert_eq!(claims["ath"], BASE64URL_NOPAD.encode(&Sha256::digest("t")));
    }
}
