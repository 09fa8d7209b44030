//! Blobs that the reverse proxy at the Unix socket sends: the hold answers where they are, to who may read them.

use atproto::repo::cid;
use atproto::syntax::Digest;

use crate::support::hold::{Hold, PRIVATE, digest_of, raw_unix};

const OPTIONS: &str = "public = false\n[server]\naccel_redirect = \"/.blobs/\"\n";
const CONTENT: &[u8] = b"0123456789";

/// What the socket answers to a request with these headers.
async fn ask(hold: &Hold, method: &str, target: &str, headers: &str) -> String {
    let target = target.strip_prefix(&hold.url()).unwrap_or(target);
    let head = format!("{method} {target} HTTP/1.1\r\nHost: hold\r\nConnection: close\r\n{headers}\r\n");
    raw_unix(&hold.socket_file(), head).await
}

async fn url(hold: &Hold, digest: &Digest, more: &str) -> String {
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}{more}", hold.did_in_query());
    let output = hold.get(&target).bearer(&hold.token(&hold.reader)).send().await.ok();
    output["url"].as_str().unwrap().to_owned()
}

/// That the proxy is told where the file is, and all it needs to answer with it.
#[track_caller]
fn assert_sent_by_proxy(answer: &str, digest: &Digest) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && body.is_empty(), "{answer}");
    let hex = digest.hex();
    let place = format!("x-accel-redirect: /.blobs/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    for line in [
        place.as_str(),
        "content-type: application/octet-stream",
        &format!("etag: \"{digest}\""),
        &format!("docker-content-digest: {digest}"),
        "content-security-policy: default-src 'none'; sandbox",
        "x-content-type-options: nosniff",
        "content-disposition: attachment",
    ] {
        assert!(head.lines().any(|given| given == line), "{line}: {head}");
    }
}

#[track_caller]
fn assert_kept_back(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(!answer.contains("x-accel-redirect"), "{answer}");
}

#[tokio::test]
async fn the_proxy_is_told_where_the_file_is() {
    let hold = Hold::start(OPTIONS).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let read = url(&hold, &digest, "").await;
    assert_sent_by_proxy(&ask(&hold, "GET", &read, "").await, &digest);
    // Ranges are the proxy's: it sees the request too.
    assert_sent_by_proxy(&ask(&hold, "GET", &read, "Range: bytes=2-4\r\n").await, &digest);
    assert_sent_by_proxy(&ask(&hold, "GET", &read, "Range: bytes=99-\r\nIf-Range: \"x\"\r\n").await, &digest);
    let head = url(&hold, &digest, "&method=HEAD").await;
    assert_sent_by_proxy(&ask(&hold, "HEAD", &head, "").await, &digest);
    let by_cid = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={}", hold.did_in_query(), cid::raw(&digest));
    let bearer = format!("Authorization: Bearer {}\r\n", hold.token(&hold.reader));
    assert_sent_by_proxy(&ask(&hold, "GET", &by_cid, &bearer).await, &digest);
}

#[tokio::test]
async fn who_may_not_read_is_told_nothing() {
    let hold = Hold::start(OPTIONS).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let read = url(&hold, &digest, "").await;
    assert_kept_back(&ask(&hold, "GET", &format!("{read}0"), "").await, 403);
    assert_kept_back(&ask(&hold, "HEAD", &read, "").await, 403);
    assert_kept_back(&ask(&hold, "GET", &format!("/blobs/{digest}"), "").await, 403);
    let by_cid = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={}", hold.did_in_query(), cid::raw(&digest));
    assert_kept_back(&ask(&hold, "GET", &by_cid, "").await, 401);
    let bearer = format!("Authorization: Bearer {}\r\n", hold.token(&hold.stranger));
    assert_kept_back(&ask(&hold, "GET", &by_cid, &bearer).await, 403);
}

#[tokio::test]
async fn absent_blobs_are_absent() {
    let hold = Hold::start(OPTIONS).await;
    let bearer = format!("Authorization: Bearer {}\r\n", hold.token(&hold.reader));
    let missing = cid::raw(&digest_of(b"never"));
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={missing}", hold.did_in_query());
    assert_kept_back(&ask(&hold, "GET", &target, &bearer).await, 404);
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let read = url(&hold, &digest, "").await;
    std::fs::write(hold.blob_file(&digest), b"012345678").unwrap();
    assert_kept_back(&ask(&hold, "GET", &read, "").await, 404);
}

#[tokio::test]
async fn others_get_the_bytes_from_the_hold() {
    let mut hold = Hold::start(OPTIONS).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let read = url(&hold, &digest, "").await;
    // Who connects by TCP may be anyone, and no proxy.
    let answer = hold.get(&read).send().await;
    assert_eq!((answer.status, &answer.body[..], answer.header("x-accel-redirect")), (200, CONTENT, None));
    hold.restart(PRIVATE).await;
    let answer = ask(&hold, "GET", &url(&hold, &digest, "").await, "").await;
    assert!(answer.ends_with("0123456789") && !answer.contains("x-accel-redirect"), "{answer}");
}
