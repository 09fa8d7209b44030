//! JSON bodies: their type, form and size.

use serde_json::{Value, json};

use crate::support::hold::{Answer, Hold, PUBLIC, digest_of};

const JSON_BYTES: usize = 256 * 1024;
const COMPLETE_BYTES: usize = 2 * 1024 * 1024;
const MANIFEST_BYTES: usize = 4 * 1024 * 1024 + JSON_BYTES;
const INITIATE: &str = "/xrpc/io.atcr.hold.initiateUpload";
const COMPLETE: &str = "/xrpc/io.atcr.hold.completeUpload";
const NOTIFY: &str = "/xrpc/io.atcr.hold.notifyManifest";

/// `input` with spaces after it, up to so many bytes.
fn padded(input: &Value, bytes: usize) -> String {
    let mut text = input.to_string();
    text.push_str(&" ".repeat(bytes - text.len()));
    text
}

async fn send(hold: &Hold, target: &str, body: String, chunked: bool) -> Answer {
    let call = hold.call("POST", target).bearer(&hold.token(&hold.writer));
    let call = call.header("content-type", "application/json").body(body);
    if chunked { call.chunked().send().await } else { call.send().await }
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_announced_or_not() {
    let hold = Hold::start(PUBLIC).await;
    let initiate = json!({ "digest": "uploads/temp-1" });
    let complete = json!({ "uploadId": hold.initiate(&hold.writer).await, "digest": "?", "parts": [] });
    let notify = json!({ "repository": "app" });
    for chunked in [false, true] {
        for (target, input, limit) in [
            (INITIATE, &initiate, JSON_BYTES),
            (COMPLETE, &complete, COMPLETE_BYTES),
            (NOTIFY, &notify, MANIFEST_BYTES),
        ] {
            let whole = send(&hold, target, padded(input, limit), chunked).await;
            assert_ne!(whole.status, 413, "{target} takes {limit} bytes");
            let beyond = send(&hold, target, padded(input, limit + 1), chunked).await;
            beyond.assert_refused(413, "PayloadTooLarge", "the body is too large");
        }
    }
}

#[tokio::test]
async fn ten_thousand_parts_can_be_listed() {
    let hold = Hold::start(PUBLIC).await;
    let id = hold.initiate(&hold.writer).await;
    let digest = format!("sha256:{}", "0".repeat(64));
    let list = |count: u32| {
        // As long as ETags of S3 get.
        let etag = "\"".to_owned() + &"e".repeat(130) + "\"";
        let parts: Vec<_> = (1..=count).map(|n| json!({ "partNumber": n, "etag": etag })).collect();
        json!({ "uploadId": id, "digest": digest, "parts": parts })
    };
    let all = hold.post(&hold.writer, "io.atcr.hold.completeUpload", &list(10_000)).await;
    let message = "the parts are not exactly those that were received, numbered from 1 without a gap";
    all.assert_refused(400, "MissingParts", message);
    let more = hold.post(&hold.writer, "io.atcr.hold.completeUpload", &list(10_001)).await;
    more.assert_refused(400, "InvalidPartNumber", "a part number is from 1 to 10000");
}

#[tokio::test]
async fn a_manifest_of_two_thousand_layers_is_looked_at_and_no_more() {
    let hold = Hold::start(PUBLIC).await;
    let layer =
        |number: usize| json!({ "digest": digest_of(&number.to_le_bytes()), "size": 8, "mediaType": "x".repeat(100) });
    let send = async |layers: Vec<Value>| {
        let manifest = json!({ "layers": layers });
        let input = json!({
            "repository": "app", "userDid": hold.writer.did, "manifestDigest": digest_of(b"manifest"),
            "manifest": manifest,
        });
        hold.post(&hold.writer, "io.atcr.hold.notifyManifest", &input).await
    };
    send((0..2_000).map(layer).collect()).await.assert_error(400, "BlobNotFound");
    // Those that say nothing are small here and large in memory.
    for layers in [(0..2_001).map(layer).collect(), vec![json!({}); 100_000]] {
        let refused = send(layers).await;
        refused.assert_error(400, "InvalidRequest");
        assert!(refused.text().contains("a manifest has at most 2000 layers"), "{}", refused.text());
    }
}

#[tokio::test]
async fn only_json_is_taken_and_only_when_it_says_so() {
    let hold = Hold::start(PUBLIC).await;
    let call = || hold.call("POST", INITIATE).bearer(&hold.token(&hold.writer)).body(r#"{"digest":"temp"}"#);
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"] {
        assert_eq!(call().header("content-type", kind).send().await.status, 200, "{kind}");
    }
    let message = "the body must be application/json";
    for kind in ["", "text/plain", "application/jsonp", "application/x-www-form-urlencoded", "json"] {
        let answer = call().header("content-type", kind).send().await;
        answer.assert_refused(415, "InvalidContentType", message);
    }
    call().send().await.assert_refused(415, "InvalidContentType", message);
    let twice = call().header("content-type", "application/json").header("content-type", "text/plain").send().await;
    twice.assert_refused(415, "InvalidContentType", message);
}

#[tokio::test]
async fn broken_json_is_400_and_changes_nothing() {
    let hold = Hold::start("public = true\n[limits]\nuploads_per_account = 1\n").await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 13] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\"digest\"",
        b"{}",
        b"{\"digest\":1}",
        b"{\"digest\":null}",
        b"{\"digest\":\"a\"}{}",
        b"{\"digest\":\"a\",\"digest\":\"b\"}",
        b"{\"digest\":\"\xff\"}",
        b"{'digest':'a'}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let call = hold.call("POST", INITIATE).bearer(&hold.token(&hold.writer));
        let answer = call.header("content-type", "application/json").body(body.to_vec()).send().await;
        answer.assert_error(400, "InvalidRequest");
        assert!(answer.text().contains("the body is not what this method takes: "), "{}", answer.text());
    }
    hold.initiate(&hold.writer).await;
}
