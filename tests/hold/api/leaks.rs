//! What is refused or fails tells nobody a secret: neither the answer nor the log at its loudest.

use serde_json::json;

use super::access::target;
use atproto::repo::cid;

use crate::gate::dpop;
use crate::objects::buckets_here;
use crate::support::did_server::Reply;
use crate::support::hold::{Answer, Call, Hold, PRIVATE, digest_of, now_s};
use crate::support::log::Log;
use crate::support::small::with;

fn wire(answer: &Answer) -> String {
    format!("{:?}\n{}", answer.headers, answer.text())
}

/// What must never be seen: paths of this machine, and words of SQL.
fn assert_silent(hold: &Hold, text: &str, secrets: &[String]) {
    let lower = text.to_lowercase();
    let root = hold.root().to_str().unwrap().to_lowercase();
    for word in [root.as_str(), "/tmp/", "hold.db", "select ", "insert ", "delete from", "sqlite", "registry/v2"] {
        assert!(!lower.contains(word), "{word} in {text}");
    }
    for secret in secrets {
        // Also not a part of it.
        let (start, end) = (&secret[..secret.len() / 2], &secret[secret.len() / 2..]);
        assert!(!text.contains(start) && !text.contains(end), "{secret} in {text}");
    }
}

fn signature_of(text: &str) -> String {
    text.rsplit(['.', '=']).next().unwrap().to_owned()
}

#[tokio::test]
async fn refusals_and_their_log_lines_hold_no_secret() {
    let hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, b"content").await;
    let id = hold.initiate(&hold.writer).await;
    let part_url = hold.part_url(&hold.writer, &id, 1).await;
    let read_url = hold.blob_url(Some(&hold.reader), &digest).await.ok()["url"].as_str().unwrap().to_owned();
    let (log, _guard) = Log::capture();
    let claims = |changes| with(hold.claims(&hold.writer), &changes);
    let tokens = [
        hold.token(&hold.stranger),
        hold.stranger.sign(&claims(json!({}))),
        hold.writer.sign(&claims(json!({ "exp": now_s() - 100 }))),
        hold.writer.sign(&claims(json!({ "aud": "did:web:other.example" }))),
        hold.writer.sign(&claims(json!({ "lxm": "io.atcr.hold.other" }))),
        hold.writer.sign(&claims(json!({ "iss": "did:key:zQ3shabc" }))),
        hold.writer.sign_with(&json!({ "alg": "none" }), &claims(json!({}))),
    ];
    let mut answers = vec![];
    for token in &tokens {
        for (path, verbs, _) in atcr_hold::api::endpoints() {
            let method = verbs.as_str().split(", ").next().unwrap();
            answers.push(hold.call(method, &target(path)).bearer(token).send().await);
            // Where it does not belong.
            answers.push(hold.call(method, &format!("{}?token={token}", target(path))).send().await);
        }
    }
    for forged in [part_url.replace("partNumber=1", "partNumber=2"), part_url.replace(&id, &"0".repeat(32))] {
        answers.push(hold.call("PUT", &forged).body("part").send().await);
    }
    answers.push(hold.call("HEAD", &read_url).send().await);
    answers.push(hold.call("PUT", &read_url).send().await);
    let secrets: Vec<_> = tokens.iter().chain([&part_url, &read_url]).map(|text| signature_of(text)).collect();
    for answer in &answers {
        assert_silent(&hold, &wire(answer), &secrets);
    }
    let text = log.text();
    assert_silent(&hold, &text, &secrets);
    for answer in answers.iter().filter(|answer| answer.status >= 400) {
        let id = format!("request_id=\"{}\"", answer.header("x-request-id").unwrap());
        let lines: Vec<_> = text.lines().filter(|line| line.contains(&id)).collect();
        assert!(lines.len() == 1 && lines[0].contains(&format!("status={}", answer.status)), "{id} {lines:?}");
    }
}

#[tokio::test]
async fn access_tokens_and_proofs_are_shown_nowhere_whatever_the_pds_answers() {
    let hold = Hold::start(PRIVATE).await;
    let client = dpop::client_of(&hold, &hold.writer);
    let (log, _guard) = Log::capture();
    let answer = |status: &str, more: &str| Reply::Raw(format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n"));
    let nonce = "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"\r\nDPoP-Nonce: n\r\n";
    let mut secrets = vec![client.token.clone()];
    for (reply, status) in [
        (answer("401 Unauthorized", nonce), 401),
        (answer("401 Unauthorized", ""), 401),
        (answer("500 Oops", ""), 503),
        (Reply::Body(json!({ "did": hold.writer.did }).to_string()), 200),
    ] {
        hold.network.set(dpop::GET_SESSION, reply);
        secrets.push(client.proof());
        let answer = dpop::initiate(&hold, &client, secrets.last().unwrap()).await;
        assert_eq!(answer.status, status);
        assert_silent(&hold, &wire(&answer), &secrets);
    }
    // Of a token no part is shown, not only not the signature.
    let parts: Vec<_> = secrets.iter().flat_map(|secret| secret.split('.').skip(1).map(str::to_owned)).collect();
    assert!(log.text().contains("use_dpop_nonce"), "{}", log.text());
    assert_silent(&hold, &log.text(), &parts);
}

#[tokio::test]
async fn a_failure_of_the_storage_is_a_constant_answer() {
    let hold = Hold::start(PRIVATE).await;
    let id = hold.initiate(&hold.writer).await;
    let url = hold.part_url(&hold.writer, &id, 1).await;
    let (log, _guard) = Log::capture();
    let uploads = hold.root().join("blobs/uploads");
    std::fs::remove_dir_all(&uploads).unwrap();
    std::fs::write(&uploads, "a file where a directory was").unwrap();
    let part = hold.call("PUT", &url).body("part").send().await;
    part.assert_refused(500, "UploadFailed", "the hold failed; its log says why");
    let blobs = hold.root().join("blobs/docker");
    // The marker of the storage is in there.
    std::fs::remove_dir_all(&blobs).unwrap();
    std::fs::write(&blobs, "another").unwrap();
    let complete = hold.complete(&hold.writer, &id, &digest_of(b"").to_string(), &[]).await;
    complete.assert_refused(500, "CompletionFailed", "the hold failed; its log says why");
    let text = log.text();
    for answer in [part, complete] {
        let id = answer.header("x-request-id").unwrap();
        let line = text.lines().find(|line| line.contains(id)).unwrap();
        assert!(line.contains("ERROR") && line.contains("detail="), "{line}");
    }
    assert_silent(&hold, &text, &[signature_of(&url)]);
}

#[tokio::test]
async fn urls_and_keys_of_a_bucket_are_in_no_line_of_the_log() {
    for bucket in buckets_here() {
        let (log, _guard) = Log::capture();
        let hold = Hold::start_in(&bucket, "", PRIVATE).await;
        let id = hold.initiate(&hold.writer).await;
        let part_url = hold.part_url(&hold.writer, &id, 1).await;
        let etag = Call::to("PUT", &part_url).body("part").send().await.header("etag").unwrap().to_owned();
        let digest = digest_of(b"part");
        for (text, etag, status) in [
            (digest_of(b"x").to_string(), "wrong", 400),
            (digest_of(b"x").to_string(), etag.as_str(), 400),
            (digest.to_string(), etag.as_str(), 200),
        ] {
            assert_eq!(hold.complete(&hold.writer, &id, &text, &[(1, etag)]).await.status, status);
        }
        let read_url = hold.blob_url(Some(&hold.reader), &digest).await.ok()["url"].as_str().unwrap().to_owned();
        let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid=", hold.did_in_query());
        let by_cid = hold.get(&format!("{target}{}", cid::raw(&digest))).bearer(&hold.token(&hold.reader)).send().await;
        let location = by_cid.header("location").unwrap().to_owned();
        let urls = [&part_url, &read_url, &location].map(|url| signature_of(url));
        let keys = [bucket.key_id().to_owned(), bucket.secret().to_owned()];
        let (text, secrets) = (log.text(), [&urls[..], &keys].concat());
        assert!(text.contains("the bucket can be used"), "{text}");
        for line in text.lines() {
            for secret in &secrets {
                assert!(!line.contains(&secret[..]), "{}: {line}", bucket.name);
            }
            assert!(!line.contains("X-Amz-Signature"), "{}: {line}", bucket.name);
        }
    }
}
