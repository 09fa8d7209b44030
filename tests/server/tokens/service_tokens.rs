//! Service tokens: every refusal with its name, and the way from a token to a proven account.

use atproto::keys::{PublicKey, SigningKey};
use atproto::syntax::Did;
use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use server::identity::Account;
use server::tokens::service_token::ServiceToken;
use server::tokens::{Audience, TokenError};

use crate::support::did_server::{key, plc};
use crate::support::small::with;

pub(crate) const NOW_S: i64 = 1_800_000_000;
pub(crate) const METHOD: &str = "io.atcr.hold.initiateUpload";
const HOLD: &str = "did:web:localhost%3A8080";

pub(crate) fn hold() -> Did {
    Did::parse(HOLD).unwrap()
}

pub(crate) fn audience() -> Audience {
    Audience { did: hold(), service: "#atcr_hold" }
}

pub(crate) fn issuer() -> Did {
    plc(1)
}

pub(crate) fn header() -> Value {
    json!({ "alg": "ES256K", "typ": "JWT" })
}

/// As a PDS makes them.
pub(crate) fn claims() -> Value {
    json!({ "iss": issuer(), "aud": HOLD, "lxm": METHOD, "iat": NOW_S, "exp": NOW_S + 60, "jti": "a1b2" })
}

pub(crate) fn signed_text(header: &str, claims: &str, signer: &SigningKey) -> String {
    let signed = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(crate) fn signed(header: &Value, claims: &Value) -> String {
    signed_text(&header.to_string(), &claims.to_string(), &key(1))
}

fn account(key: PublicKey) -> Account {
    Account { did: issuer(), key, handle: None, pds: None }
}

/// Everything, as the authenticator does it, for a call of [`METHOD`] at [`NOW_S`].
fn judge_with(token: &str, key: PublicKey) -> Result<(), TokenError> {
    let token = ServiceToken::parse(token)?;
    token.claims.check(&audience(), METHOD, NOW_S)?;
    token.verify(&account(key))
}

fn judge(token: &str) -> Result<(), TokenError> {
    judge_with(token, key(1).public())
}

fn name(token: &str) -> &'static str {
    let error = judge(token).unwrap_err();
    let message = error.to_string();
    assert!(!message.contains(&token[token.len() / 2..]) && !message.contains('\n'), "{message}");
    error.name()
}

#[test]
fn tokens_as_a_pds_makes_them_pass() {
    let fragment = format!("{HOLD}#atcr_hold");
    for changes in [
        json!({}),
        json!({ "lxm": null }),
        json!({ "lxm": "com.atproto.repo.getRecord" }),
        json!({ "aud": fragment }),
        json!({ "iat": null, "jti": null }),
        json!({ "nbf": NOW_S, "unknown": { "a": [1.5, null] } }),
        json!({ "exp": NOW_S - 30 }),
        json!({ "exp": NOW_S + 3630 }),
        json!({ "iat": NOW_S + 60 }),
    ] {
        assert_eq!(judge(&signed(&header(), &with(claims(), &changes))), Ok(()), "{changes}");
    }
    let kid = format!("{}#atproto", issuer());
    for changes in
        [json!({ "typ": null }), json!({ "typ": "jwt" }), json!({ "kid": "#atproto" }), json!({ "kid": kid })]
    {
        assert_eq!(judge(&signed(&with(header(), &changes), &claims())), Ok(()), "{changes}");
    }
}

#[test]
fn every_bad_claim_has_its_name() {
    let lower = HOLD.to_lowercase();
    for (expected, changes) in [
        ("BadJwt", json!({ "exp": null })),
        ("BadJwt", json!({ "exp": (NOW_S + 60).to_string() })),
        ("BadJwt", json!({ "exp": 1_800_000_060.5 })),
        ("BadJwt", json!({ "exp": 1e300 })),
        ("BadJwt", json!({ "exp": true })),
        ("BadJwt", json!({ "exp": NOW_S + 3631 })),
        ("BadJwt", json!({ "exp": i64::MAX })),
        ("BadJwt", json!({ "exp": u64::MAX })),
        ("BadJwt", json!({ "iat": NOW_S + 61 })),
        ("BadJwt", json!({ "iat": "now" })),
        ("BadJwt", json!({ "nbf": NOW_S + 61 })),
        ("JwtExpired", json!({ "exp": NOW_S - 31 })),
        ("JwtExpired", json!({ "exp": 0 })),
        ("JwtExpired", json!({ "exp": i64::MIN })),
        ("BadJwtAudience", json!({ "aud": null })),
        ("BadJwtAudience", json!({ "aud": "" })),
        ("BadJwtAudience", json!({ "aud": "did:web:localhost" })),
        ("BadJwtAudience", json!({ "aud": "did:web:localhost%3A80801" })),
        ("BadJwtAudience", json!({ "aud": "did:web:localhost:8080" })),
        ("BadJwtAudience", json!({ "aud": lower })),
        ("BadJwtAudience", json!({ "aud": format!("{HOLD}#atproto_pds") })),
        ("BadJwtAudience", json!({ "aud": format!("{HOLD}#") })),
        ("BadJwtAudience", json!({ "aud": format!("{HOLD}#atcr_hold#") })),
        ("BadJwtAudience", json!({ "aud": "did:web:hold.example.org" })),
        ("BadJwt", json!({ "aud": [HOLD] })),
        ("BadJwtLexiconMethod", json!({ "lxm": "io.atcr.hold.completeUpload" })),
        ("BadJwtLexiconMethod", json!({ "lxm": "*" })),
        ("BadJwtLexiconMethod", json!({ "lxm": "" })),
        ("BadJwt", json!({ "lxm": [METHOD] })),
        ("BadJwtIss", json!({ "iss": null })),
        ("BadJwtIss", json!({ "iss": "alice.test" })),
        ("BadJwtIss", json!({ "iss": format!("{}#atproto_labeler", issuer()) })),
        ("BadJwtIss", json!({ "iss": "did:plc:" })),
        ("BadJwtSignature", json!({ "iss": plc(2) })),
    ] {
        assert_eq!(name(&signed(&header(), &with(claims(), &changes))), expected, "{changes}");
    }
}

#[test]
fn every_bad_header_has_its_name() {
    for (expected, changes) in [
        ("BadJwt", json!({ "alg": "none" })),
        ("BadJwt", json!({ "alg": "HS256" })),
        ("BadJwt", json!({ "alg": "es256k" })),
        ("BadJwt", json!({ "alg": null })),
        ("BadJwt", json!({ "alg": ["ES256K"] })),
        ("BadJwtSignature", json!({ "alg": "ES256" })),
        ("BadJwtType", json!({ "typ": "at+jwt" })),
        ("BadJwtType", json!({ "typ": "refresh+jwt" })),
        ("BadJwtType", json!({ "typ": "dpop+jwt" })),
        ("BadJwtType", json!({ "typ": "" })),
        ("BadJwt", json!({ "kid": "#other" })),
        ("BadJwt", json!({ "kid": format!("{}#atproto", plc(2)) })),
        ("BadJwt", json!({ "kid": "" })),
        ("BadJwt", json!({ "crit": ["exp"] })),
        ("BadJwt", json!({ "jwk": { "kty": "EC" } })),
        ("BadJwt", json!({ "jku": "https://x.example" })),
        ("BadJwt", json!({ "x5c": [] })),
        ("BadJwt", json!({ "x5u": "https://x.example" })),
    ] {
        assert_eq!(name(&signed(&with(header(), &changes), &claims())), expected, "{changes}");
    }
}

#[test]
fn a_session_token_is_of_another_type_though_it_lacks_claims() {
    let claims = with(claims(), &json!({ "iss": null, "lxm": null, "scope": "com.atproto.access" }));
    assert_eq!(name(&signed(&with(header(), &json!({ "typ": "at+jwt" })), &claims)), "BadJwtType");
}

#[test]
fn every_other_form_is_refused() {
    let good = signed(&header(), &claims());
    let [head, body, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let raw = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let encoded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let der = k256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    let twice = |text: String, name: &str| text.replacen('{', &format!("{{\"{name}\":\"x\","), 1);
    for (what, token) in [
        ("empty", String::new()),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{good}.")),
        ("five parts", format!("{good}.a.b")),
        ("no signature", format!("{head}.{body}.")),
        ("DER", format!("{head}.{body}.{}", encoded(der.as_bytes()))),
        ("short signature", format!("{head}.{body}.{}", encoded(&raw[..63]))),
        ("long signature", format!("{head}.{body}.{}", encoded(&[&raw[..], &[0]].concat()))),
        ("padding", format!("{head}.{body}.{}", BASE64URL.encode(&raw))),
        ("line break", format!("{head}.{body}\n.{signature}")),
        ("other alphabet", format!("{head}.{body}.{}", "+/".repeat(43))),
        ("loose last bits", format!("{head}.{body}.{}B", &signature[..85])),
        ("an array", signed_text("[]", "[]", &key(1))),
        ("no JSON", signed_text("alg", "iss", &key(1))),
        ("not UTF-8", format!("{}.{body}.{signature}", encoded(b"{\"alg\":\"\xff\"}"))),
        ("iss twice", signed_text(&header().to_string(), &twice(claims().to_string(), "iss"), &key(1))),
        ("jti twice", signed_text(&header().to_string(), &twice(claims().to_string(), "j\\u0074i"), &key(1))),
        ("alg twice", signed_text(&twice(header().to_string(), "alg"), &claims().to_string(), &key(1))),
        ("over 8 KiB", signed(&header(), &with(claims(), &json!({ "jti": "x".repeat(6200) })))),
        ("deep", signed_text(&header().to_string(), &"[".repeat(5000), &key(1))),
    ] {
        assert_eq!(judge(&token).unwrap_err().name(), "BadJwt", "{what}");
    }
    for (what, token) in [
        ("other key", signed_text(&header().to_string(), &claims().to_string(), &key(2))),
        (
            "changed claims",
            format!("{head}.{}.{signature}", encoded(with(claims(), &json!({"jti": "b"})).to_string().as_bytes())),
        ),
        ("zeros", format!("{head}.{body}.{}", encoded(&[0; 64]))),
    ] {
        assert_eq!(judge(&token).unwrap_err().name(), "BadJwtSignature", "{what}");
    }
}

#[test]
fn p256_and_high_s_signatures_pass_and_curves_are_not_mixed() {
    let signer = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let public = PublicKey::P256(*signer.verifying_key());
    let text = |alg: &str| {
        let header = with(header(), &json!({ "alg": alg })).to_string();
        format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims().to_string().as_bytes())
        )
    };
    let token = |alg: &str, signature: &[u8]| format!("{}.{}", text(alg), BASE64URL_NOPAD.encode(signature));
    let sign_p256 = |alg: &str| -> p256::ecdsa::Signature { signer.sign(text(alg).as_bytes()) };
    assert_eq!(judge_with(&token("ES256", &sign_p256("ES256").to_bytes()), public), Ok(()));
    assert_eq!(judge_with(&token("ES256K", &sign_p256("ES256K").to_bytes()), public), Err(TokenError::Signature));
    assert_eq!(judge(&token("ES256", &key(1).sign(text("ES256").as_bytes()))), Err(TokenError::Signature));

    let low = k256::ecdsa::Signature::from_slice(&key(1).sign(text("ES256K").as_bytes())).unwrap();
    let (r, s) = low.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    assert_eq!(judge(&token("ES256K", &high.to_bytes())), Ok(()));
}
