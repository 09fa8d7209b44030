//! Images that stand in a real PDS and of which nobody told the hold.

use atcr_hold::operations::{GcRun, ImagesReconcile};
use serde_json::{Value, json};
use server::control::{AdminClient, Operation};

use super::RealHold;
use super::stack::{Person, Stack};
use crate::support::hold::{Call, digest_of};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Runs an operation at the hold's admin socket, as a command does.
async fn operate<O: Operation>(hold: &RealHold, operation: O) -> O::Output {
    let client = AdminClient::new(&hold.state.path().join("admin.sock"));
    client.connect().await.unwrap().expect("a hold that listens").run(&operation, |_| {}).await.unwrap()
}

async fn upload(hold: &RealHold, token: &str, content: &'static [u8]) {
    let upload_id = hold.initiate(token).await.ok()["uploadId"].as_str().unwrap().to_owned();
    let part = Call::new(hold.port, "PUT", "/xrpc/io.atcr.hold.uploadPart").bearer(token);
    let part = part.header("x-upload-id", &upload_id).header("x-part-number", "1").body(content).send().await.ok();
    let parts = json!([{ "partNumber": 1, "etag": part["etag"] }]);
    let input = json!({ "uploadId": upload_id, "digest": digest_of(content), "parts": parts });
    hold.post(token, "io.atcr.hold.completeUpload", &input).await.ok();
}

/// Writes the record of a manifest into the owner's repository, as the registry does at a push; the first of `contents`
/// is the config.
async fn put_manifest(stack: &Stack, owner: &Person, hold_did: &str, contents: &[&str]) {
    let blob = |content: &str| json!({ "digest": digest_of(content.as_bytes()), "size": content.len() });
    let layer = |content: &&str| {
        let mut layer = blob(content);
        layer["mediaType"] = LAYER.into();
        layer
    };
    let digest = digest_of(contents.concat().as_bytes());
    let record = json!({
        "$type": "io.atcr.manifest", "repository": "app", "digest": digest, "schemaVersion": 2, "holdDid": hold_did,
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "createdAt": "2026-11-01T00:00:00.000Z",
        "config": blob(contents[0]), "layers": contents[1..].iter().map(layer).collect::<Vec<_>>(),
    });
    let call = Call::new(stack.pds_port(), "POST", "/xrpc/com.atproto.repo.putRecord").bearer(&owner.access_jwt);
    let input = json!({ "repo": owner.did, "collection": "io.atcr.manifest", "rkey": digest.hex(), "record": record });
    let answer = call.json(&input).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn layers(hold: &RealHold) -> Vec<Value> {
    let query = format!("repo={}&collection=io.atcr.hold.layer&reverse=true", hold.did().replace('%', "%25"));
    let call = Call::new(hold.port, "GET", &format!("/xrpc/com.atproto.repo.listRecords?{query}"));
    call.send().await.ok()["records"].as_array().unwrap().iter().map(|record| record["value"].clone()).collect()
}

#[tokio::test]
async fn an_image_whose_word_was_lost_is_found_in_its_owners_pds() {
    let Some(stack) = Stack::start().await else { return };
    let [captain, member] = stack.create(["captain.test", "alice.test"]);
    let hold = RealHold::start(&stack, &captain).await;
    let token = stack.token(&member, &hold.did(), None).await;
    let joined = hold.post(&token, "io.atcr.hold.requestCrew", &json!({ "permissions": ["blob:write"] })).await;
    assert_eq!(joined.status, 201, "{}", joined.text());
    for content in ["config", "the first layer", "the second layer", "of another hold"] {
        upload(&hold, &token, content.as_bytes()).await;
    }
    put_manifest(&stack, &member, &hold.did(), &["config", "the first layer", "the second layer"]).await;
    // More than a page of manifests that are not here.
    for number in 0..101 {
        let content = format!("elsewhere {number}");
        put_manifest(&stack, &member, "did:web:other.example", &["of another hold", &content]).await;
    }

    let preview = operate(&hold, ImagesReconcile { dry_run: true }).await;
    assert_eq!((preview.accounts, preview.manifests, preview.recorded, preview.layers), (2, 1, 1, 2));
    assert_eq!((preview.unasked, layers(&hold).await), (vec![], vec![]), "a preview writes nothing");
    let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
    assert_eq!((collected.named.count, collected.garbage.count, collected.accounts), (3, 1, vec![]));
    let recorded = layers(&hold).await;
    let digests: Vec<_> = recorded.iter().map(|layer| &layer["digest"]).collect();
    assert_eq!(digests, [&json!(digest_of(b"the first layer")), &json!(digest_of(b"the second layer"))]);
    assert!(recorded.iter().all(|layer| layer["userDid"] == json!(member.did)), "{recorded:?}");

    // What it could not ask about it leaves alone.
    upload(&hold, &token, b"unnamed").await;
    drop(stack);
    let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
    assert_eq!((collected.named.count, collected.garbage.count, collected.unasked.count), (3, 0, 1));
    assert_eq!(collected.accounts.len(), 2, "{:?}", collected.accounts);
}
