//! Accounts of a real PDS in a real PLC directory, and the service tokens that the PDS makes for them.
//!
//! They need node: `npm ci` in `tests/stack`, and ATCR_HOLD_STACK set to the path of that directory. Without the
//! variable these tests say that they were skipped.

mod hold;
mod oauth;
mod reconcile;
mod restart;
mod stack;

use std::sync::Arc;

use atproto::keys::HighS;
use atproto::syntax::Did;
use serde_json::{Value, json};
use server::identity::{Account as ProvenAccount, Pool, Resolver, ResolverSettings};
use server::tokens::service_token::ServiceToken;
use server::tokens::{Audience, TokenError};

use crate::support::hold::{Call, digest_of, now_s};
use hold::RealHold;
use stack::{Person, Stack};

const INITIATE: &str = "io.atcr.hold.initiateUpload";

#[tokio::test]
async fn a_real_pds_speaks_for_its_accounts() {
    let Some(stack) = Stack::start().await else { return };
    let [captain, stranger] = stack.create(["captain.test", "stranger.test"]);
    let hold = RealHold::start(&stack, &captain).await;
    let (did, service) = (hold.did(), format!("{}#atcr_hold", hold.did()));

    for (aud, lxm) in
        [(&did, Some(INITIATE)), (&did, Some("com.atproto.repo.getRecord")), (&did, None), (&service, Some(INITIATE))]
    {
        let token = stack.token(&captain, aud, lxm).await;
        let answer = hold.initiate(&token).await;
        assert_eq!(answer.status, 200, "{aud} {lxm:?}: {}", answer.text());
        assert_eq!(hold.initiate(&token).await.status, 200, "the registry uses a token many times");
    }
    for (aud, lxm, name) in [
        ("did:web:localhost%3A1", Some(INITIATE), "BadJwtAudience"),
        ("did:web:hold.example.org", None, "BadJwtAudience"),
        (&format!("{did}#atproto_pds"), Some(INITIATE), "BadJwtAudience"),
        (&did, Some("io.atcr.hold.completeUpload"), "BadJwtLexiconMethod"),
    ] {
        let token = stack.token(&captain, aud, lxm).await;
        hold.initiate(&token).await.assert_error(401, name);
    }

    // One account's claims with another one's signature.
    let mine = stack.token(&captain, &did, None).await;
    let theirs = stack.token(&stranger, &did, None).await;
    let forged = format!("{}.{}", mine.rsplit_once('.').unwrap().0, theirs.rsplit_once('.').unwrap().1);
    hold.initiate(&forged).await.assert_error(401, "BadJwtSignature");
    let session = hold.initiate(&captain.access_jwt).await;
    session.assert_error(401, "BadJwtType");
    hold.initiate(&theirs).await.assert_error(403, "Forbidden");

    joins_and_uploads(&stack, &hold, &stranger).await;
    expires(&stack, &hold, &captain).await;
}

/// A stranger joins through its PDS, as an app asks for it, then pushes a blob with tokens of its own.
async fn joins_and_uploads(stack: &Stack, hold: &RealHold, stranger: &Person) {
    let call = Call::new(stack.pds_port(), "POST", "/xrpc/io.atcr.hold.requestCrew").bearer(&stranger.access_jwt);
    let call = call.header("atproto-proxy", &format!("{}#atcr_hold", hold.did()));
    let answer = call.json(&json!({ "permissions": ["blob:write"] })).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let token = stack.token(stranger, &hold.did(), Some("com.atproto.repo.getRecord")).await;
    let upload_id = hold.initiate(&token).await.ok()["uploadId"].as_str().unwrap().to_owned();
    let content = b"pushed by a real account".as_slice();
    let part = Call::new(hold.port, "PUT", "/xrpc/io.atcr.hold.uploadPart").bearer(&token);
    let part = part.header("x-upload-id", &upload_id).header("x-part-number", "1").body(content).send().await.ok();
    let input = json!({
        "uploadId": upload_id, "digest": digest_of(content), "parts": [{ "partNumber": 1, "etag": part["etag"] }],
    });
    let output = hold.post(&token, "io.atcr.hold.completeUpload", &input).await.ok();
    assert_eq!(output, json!({ "status": "completed", "digest": digest_of(content) }));
    is_recorded(hold, &token, stranger, content).await;
}

/// Its push is recorded by the same token, as the registry says it; then it takes its data along and leaves.
async fn is_recorded(hold: &RealHold, token: &str, person: &Person, content: &[u8]) {
    let push = json!({
        "repository": "app", "userDid": person.did, "manifestDigest": digest_of(b"manifest"), "tag": "latest",
        "manifest": { "layers": [{ "digest": digest_of(content), "size": content.len(), "mediaType": "text/plain" }] },
    });
    let output = hold.post(token, "io.atcr.hold.notifyManifest", &push).await.ok();
    assert_eq!(output["layersCreated"], 1);
    let export = Call::new(hold.port, "GET", "/xrpc/io.atcr.hold.exportUserData").bearer(token).send().await.ok();
    assert_eq!(export["layerRecords"][0]["digest"], json!(digest_of(content)));
    let deleted = hold.post(token, "io.atcr.hold.deleteUserData", &json!({})).await.ok();
    assert_eq!(deleted, json!({ "success": true, "crewDeleted": true, "layersDeleted": 1, "statsDeleted": 1 }));
    hold.initiate(token).await.assert_error(403, "Forbidden");
}

/// A real token, judged later than it was made: nobody waits for a clock.
async fn expires(stack: &Stack, hold: &RealHold, captain: &Person) {
    let text = stack.token(captain, &hold.did(), None).await;
    let token = ServiceToken::parse(&text).unwrap();
    let hold = Audience { did: Did::parse(&hold.did()).unwrap(), service: "#atcr_hold" };
    assert_eq!(token.claims.check(&hold, INITIATE, now_s()), Ok(()));
    assert_eq!(token.claims.check(&hold, INITIATE, now_s() + 60 + 31), Err(TokenError::Expired));
    let account = resolve(stack, captain).await;
    token.verify(&account).unwrap();
}

/// A resolver that asks the stack's directory.
fn resolver(stack: &Stack) -> Resolver {
    let settings = ResolverSettings { plc_directory: stack.plc.clone(), test_mode: true };
    Resolver::new(&settings).unwrap()
}

async fn resolve(stack: &Stack, person: &Person) -> Arc<ProvenAccount> {
    resolver(stack).resolve(&person.did, Pool::Strangers).await.unwrap()
}

#[tokio::test]
async fn documents_of_a_real_directory_are_read() {
    let Some(stack) = Stack::start().await else { return };
    let [alice] = stack.create(["alice.test"]);
    let document = Call::new(stack.plc_port(), "GET", &format!("/{}", alice.did)).send().await;
    let document: Value = serde_json::from_slice(&document.body).unwrap();
    let method = &document["verificationMethod"][0];
    assert_eq!(method["type"], "EcdsaSecp256k1VerificationKey2019", "this directory writes the legacy form");
    let account = resolve(&stack, &alice).await;
    assert_eq!((&account.did, account.handle.as_ref().map(AsRef::as_ref)), (&alice.did, Some("alice.test")));
    let proven = resolver(&stack).proven_handle(&alice.did, Pool::Members).await;
    assert_eq!(proven, Ok(account.handle.clone()), "the PDS answers for its names");
    assert!(account.pds.as_deref().is_some_and(|pds| stack.pds.starts_with(pds)));
    assert_eq!(account.key.algorithm(), "ES256K");
    assert!(account.key.verify(b"anything", &[1; 64], HighS::Accept).is_err());
}
