//! Access tokens of a real OAuth server, and proofs that the real PDS takes: from the sign-in to a pushed blob.

use p256::ecdsa::SigningKey;
use serde_json::{Value, json};

use super::RealHold;
use super::stack::{Person, Stack};
use crate::gate::dpop::Client;
use crate::support::hold::{Answer, Call, digest_of};
use crate::support::small::with;

/// A client that keeps the nonce it was given, and makes a new proof for each call.
struct App {
    client: Client,
    nonce: Value,
    refresh_token: String,
    key: String,
}

impl App {
    fn sign_in(stack: &Stack, person: &Person) -> Self {
        let tokens = stack.sign_in(person);
        let number = data_encoding::HEXLOWER.decode(tokens.key.as_bytes()).unwrap();
        let client = Client::new(SigningKey::from_slice(&number).unwrap(), &tokens.access_token, &stack.pds);
        Self { client, nonce: Value::Null, refresh_token: tokens.refresh_token, key: tokens.key }
    }

    fn proof(&self, changes: &Value) -> String {
        let claims = with(self.client.claims(), &json!({ "nonce": self.nonce }));
        self.client.sign(&with(claims, changes))
    }

    /// As clients do it: once more when the server demands its nonce.
    async fn send(&mut self, call: impl Fn() -> Call) -> Answer {
        let answer = self.client.prove(call(), &self.proof(&json!({}))).send().await;
        let Some(nonce) = answer.header("dpop-nonce") else { return answer };
        answer.assert_error(401, "use_dpop_nonce");
        self.nonce = nonce.into();
        self.client.prove(call(), &self.proof(&json!({}))).send().await
    }

    async fn post(&mut self, hold: &RealHold, nsid: &str, input: &Value) -> Answer {
        self.send(|| Call::new(hold.port, "POST", &format!("/xrpc/{nsid}")).json(input)).await
    }
}

#[tokio::test]
async fn an_oauth_client_joins_and_pushes_with_proofs_of_its_own() {
    let Some(stack) = Stack::start().await else { return };
    let [captain, alice] = stack.create(["captain.test", "alice.test"]);
    let hold = RealHold::start(&stack, &captain).await;
    let mut app = App::sign_in(&stack, &alice);

    let initiate = json!({ "digest": "uploads/temp-1" });
    app.post(&hold, "io.atcr.hold.initiateUpload", &initiate).await.assert_error(403, "Forbidden");
    assert!(app.nonce.is_string(), "the PDS demands a nonce, and it came through");
    let joined = app.post(&hold, "io.atcr.hold.requestCrew", &json!({ "permissions": ["blob:write"] })).await;
    assert_eq!(joined.status, 201, "{}", joined.text());

    let upload_id = app.post(&hold, "io.atcr.hold.initiateUpload", &initiate).await.ok()["uploadId"].clone();
    let content = b"pushed by an OAuth client".as_slice();
    let part = || {
        let part = Call::new(hold.port, "PUT", "/xrpc/io.atcr.hold.uploadPart");
        part.header("x-upload-id", upload_id.as_str().unwrap()).header("x-part-number", "1").body(content)
    };
    let etag = app.send(part).await.ok()["etag"].clone();
    let digest = digest_of(content);
    let input = json!({ "uploadId": upload_id, "digest": digest, "parts": [{ "partNumber": 1, "etag": etag }] });
    let output = app.post(&hold, "io.atcr.hold.completeUpload", &input).await.ok();
    assert_eq!(output, json!({ "status": "completed", "digest": digest }));
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}", hold.did().replace('%', "%25"));
    let url = app.send(|| Call::new(hold.port, "GET", &target)).await.ok()["url"].as_str().unwrap().to_owned();
    assert_eq!(Call::to("GET", &url).send().await.body, content);

    refusals(&stack, &hold, &mut app).await;
}

async fn refusals(stack: &Stack, hold: &RealHold, app: &mut App) {
    let initiate = async |app: &App, proof: &str| {
        let call = Call::new(hold.port, "POST", "/xrpc/io.atcr.hold.initiateUpload");
        app.client.prove(call.json(&json!({ "digest": "uploads/temp-1" })), proof).send().await
    };
    let own_url = format!("http://localhost:{}/xrpc/io.atcr.hold.initiateUpload", hold.port);
    let for_the_hold = app.proof(&json!({ "htm": "POST", "htu": own_url }));
    initiate(app, &for_the_hold).await.assert_error(401, "invalid_dpop_proof");

    // The hold remembers a pair; the PDS, asked by anybody else, does not take it a second time.
    let proof = app.proof(&json!({}));
    initiate(app, &proof).await.ok();
    initiate(app, &proof).await.ok();
    let session = || Call::new(stack.pds_port(), "GET", "/xrpc/com.atproto.server.getSession");
    let replayed = app.client.prove(session(), &proof).send().await;
    assert_eq!(replayed.status, 401, "{}", replayed.text());
    let used = app.proof(&json!({}));
    assert_eq!(app.client.prove(session(), &used).send().await.status, 200);
    let message = "the DPoP proof is not acceptable: the account's PDS refuses it; a proof is good for one use";
    initiate(app, &used).await.assert_refused(401, "invalid_dpop_proof", message);

    let other_nonce = app.proof(&json!({ "nonce": "made-up" }));
    initiate(app, &other_nonce).await.assert_error(401, "use_dpop_nonce");
    let forged_token = Client { token: format!("{}A", app.client.token), ..app.client.clone() };
    let proof = forged_token.sign(&with(forged_token.claims(), &json!({ "nonce": app.nonce })));
    let call = Call::new(hold.port, "POST", "/xrpc/io.atcr.hold.initiateUpload");
    let answer = forged_token.prove(call.json(&json!({})), &proof).send().await;
    answer.assert_refused(401, "invalid_token", "the access token is not acceptable: the account's PDS refuses it");

    stack.revoke(&app.key, &app.refresh_token);
    let message = "the access token is not acceptable: the account's PDS refuses it";
    initiate(app, &app.proof(&json!({}))).await.assert_refused(401, "invalid_token", message);
}
