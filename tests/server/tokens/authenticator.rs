//! From a token to a proven account: what is remembered, what is asked again, and how failures differ.

use std::time::Duration;

use atproto::keys::PublicKey;
use atproto::syntax::Did;
use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer as _;
use serde_json::json;
use server::identity::Pool;
use server::tokens::{AuthError, Authenticator, CheckedToken, Credentials, TokenError};

use super::service_tokens::{METHOD, NOW_S, audience, claims, header, issuer, signed, signed_text};
use crate::support::did_server::{DidServer, Reply, document, document_with, key, plc};
use crate::support::small::{pass, with};

/// Both steps, as a handler takes them.
async fn authenticate(authenticator: &Authenticator, token: &str) -> Result<Did, AuthError> {
    match authenticator.check(Credentials::Bearer(token), METHOD, NOW_S)? {
        CheckedToken::Proven(did) => Ok(did),
        CheckedToken::Claimed(claimed) => authenticator.prove(claimed, Pool::Strangers).await,
    }
}

#[tokio::test]
async fn a_proven_token_needs_neither_resolver_nor_signature_again() {
    let mut server = DidServer::start().await;
    server.publish(&issuer(), &document(&issuer(), 1));
    let authenticator = Authenticator::new(audience(), server.resolver());
    let token = signed(&header(), &claims());
    assert_eq!(authenticate(&authenticator, &token).await, Ok(issuer()));
    server.stop().await;
    let bearer = Credentials::Bearer(&token);
    assert!(matches!(authenticator.check(bearer, METHOD, NOW_S), Ok(CheckedToken::Proven(did)) if did == issuer()));

    let other_call = authenticator.check(bearer, "io.atcr.hold.completeUpload", NOW_S).err();
    assert_eq!(other_call, Some(TokenError::Method.into()));
    assert_eq!(authenticator.check(bearer, METHOD, NOW_S + 91).err(), Some(TokenError::Expired.into()));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_proven_token_is_forgotten_when_its_issuers_key_changes() {
    let server = DidServer::start().await;
    server.publish(&issuer(), &document(&issuer(), 1));
    let authenticator = Authenticator::new(audience(), server.resolver());
    let old = signed(&header(), &claims());
    assert_eq!(authenticate(&authenticator, &old).await, Ok(issuer()));
    server.publish(&issuer(), &document(&issuer(), 2));
    assert_eq!(authenticate(&authenticator, &old).await, Ok(issuer()), "nobody has told of the new key yet");

    let new = signed_text(&header().to_string(), &claims().to_string(), &key(2));
    assert_eq!(authenticate(&authenticator, &new).await, Ok(issuer()));
    assert_eq!(authenticate(&authenticator, &old).await, Err(TokenError::Signature.into()));
    assert_eq!(authenticate(&authenticator, &new).await, Ok(issuer()), "the refusal changes nothing for the new key");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_proven_token_outlives_its_issuers_document_no_longer_than_the_cache() {
    let server = DidServer::start().await;
    server.publish(&issuer(), &document(&issuer(), 1));
    let authenticator = Authenticator::new(audience(), server.resolver());
    let old = signed(&header(), &claims());
    assert_eq!(authenticate(&authenticator, &old).await, Ok(issuer()));
    server.publish(&issuer(), &document(&issuer(), 2));
    pass(Duration::from_hours(1)).await;
    assert_eq!(authenticate(&authenticator, &old).await, Err(TokenError::Signature.into()));
}

#[tokio::test]
async fn a_forged_token_costs_one_refresh_a_minute_and_is_not_remembered() {
    let server = DidServer::start().await;
    server.publish(&issuer(), &document(&issuer(), 1));
    let authenticator = Authenticator::new(audience(), server.resolver());
    let forged = signed_text(&header().to_string(), &claims().to_string(), &key(2));
    for _ in 0..3 {
        assert_eq!(authenticate(&authenticator, &forged).await, Err(TokenError::Signature.into()));
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_changed_key_is_found_by_the_refresh() {
    let server = DidServer::start().await;
    server.publish(&issuer(), &document(&issuer(), 1));
    let authenticator = Authenticator::new(audience(), server.resolver());
    assert!(authenticate(&authenticator, &signed(&header(), &claims())).await.is_ok());
    let p256 = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let multikey = PublicKey::P256(*p256.verifying_key()).to_multikey();
    server.publish(&issuer(), &document_with(&issuer(), "#atproto", "Multikey", &multikey));
    let signed_text = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(br#"{"alg":"ES256"}"#),
        BASE64URL_NOPAD.encode(claims().to_string().as_bytes())
    );
    let signature: p256::ecdsa::Signature = p256.sign(signed_text.as_bytes());
    let token = format!("{signed_text}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()));
    assert_eq!(authenticate(&authenticator, &token).await, Ok(issuer()));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn issuers_that_cannot_be_known_are_told_apart() {
    let server = DidServer::start().await;
    let authenticator = Authenticator::new(audience(), server.resolver());
    let token_of = |did: &Did| signed(&header(), &with(claims(), &json!({ "iss": did })));
    let name = |answer: Result<Did, AuthError>| match answer.unwrap_err() {
        AuthError::Token(error) => error.name(),
        AuthError::Dpop(error) => error.name(),
        AuthError::Unresolvable | AuthError::PdsUnreachable => "503",
        AuthError::Busy(_) => "busy",
    };
    let down = plc(7);
    server.set(&format!("/{down}"), Reply::Raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".into()));
    for (did, expected) in [
        (plc(6), "BadJwtIss"),
        (Did::parse("did:key:zQ3shabc").unwrap(), "BadJwtIss"),
        (Did::parse("did:web:10.0.0.1").unwrap(), "BadJwtIss"),
        (down, "503"),
    ] {
        assert_eq!(name(authenticate(&authenticator, &token_of(&did)).await), expected, "{did}");
    }
}
