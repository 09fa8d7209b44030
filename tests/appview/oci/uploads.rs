//! Uploads that their hold, the database or the client's connection fails in the middle of.

use rusqlite::Connection;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::pushes::{BLOBS, INITIATE, Pushes, digest};
use super::registry::refused;
use crate::asked::Asked as _;
use crate::support::did_server::Reply;

const PART_URL: &str = "/xrpc/io.atcr.hold.getPartUploadUrl";
const COMPLETE: &str = "/xrpc/io.atcr.hold.completeUpload";
const ABORT: &str = "/xrpc/io.atcr.hold.abortUpload";

/// A hold that begins uploads.
async fn uploading() -> Pushes {
    let pushes = Pushes::start().await;
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    pushes
}

/// Begins an upload; returns its path.
async fn begin(pushes: &Pushes) -> String {
    let begun = pushes.call("POST", &format!("{BLOBS}uploads/"), "").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    begun.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn an_upload_that_its_hold_does_not_know_any_more_is_not_open_here_either() {
    let pushes = uploading().await;
    let place = begin(&pushes).await;
    pushes.fails(PART_URL, "404 No", r#"{"error":"InvalidUploadId","message":"no"}"#);
    refused(&pushes.call("PUT", &format!("{place}?digest={}", digest("x")), "x").await, 404, "BLOB_UPLOAD_UNKNOWN");
    refused(&pushes.call("GET", &place, "").await, 404, "BLOB_UPLOAD_UNKNOWN");
    // Nor is one of which something waits here.
    let place = begin(&pushes).await;
    assert_eq!(pushes.call("PATCH", &place, "x").await.status, 202);
    refused(&pushes.call("PUT", &format!("{place}?digest={}", digest("x")), "").await, 404, "BLOB_UPLOAD_UNKNOWN");
    refused(&pushes.call("GET", &place, "").await, 404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn an_upload_that_cannot_be_noted_takes_no_place_at_its_hold() {
    let pushes = uploading().await;
    let database = Connection::open(pushes.registry.database()).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON upload BEGIN SELECT RAISE(FAIL, 'no room'); END";
    database.execute_batch(full).unwrap();
    refused(&pushes.call("POST", &format!("{BLOBS}uploads/"), "").await, 500, "UNKNOWN");
    let network = &pushes.registry.network;
    assert_eq!((network.requests_of(INITIATE), network.requests_of(ABORT)), (1, 1));
    assert_eq!(network.last_body(ABORT), br#"{"uploadId":"u1"}"#);
}

#[tokio::test]
async fn the_last_request_of_an_upload_can_be_repeated_with_its_body() {
    let pushes = uploading().await;
    let place = begin(&pushes).await;
    let here = format!("http://localhost:{}", pushes.registry.network.port);
    pushes.says(PART_URL, &json!({ "url": format!("{here}/part"), "method": "PUT" }));
    let taken = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    pushes.registry.network.set("/part", Reply::Raw(taken.into()));
    pushes.fails(COMPLETE, "429 No", r#"{"error":"RateLimitExceeded","message":"no"}"#);
    let target = format!("{place}?digest={}", digest("a blob"));
    let put = || pushes.call("PUT", &target, "a blob");
    refused(&put().await, 429, "TOOMANYREQUESTS");
    pushes.says(COMPLETE, &json!({ "status": "completed", "digest": digest("a blob") }));
    let again = put().await;
    assert_eq!((again.status, pushes.registry.network.requests_of("/part")), (201, 1), "{}", again.text());
    refused(&pushes.call("GET", &place, "").await, 404, "BLOB_UPLOAD_UNKNOWN");
    // Other bytes behind those of the digest are a wrong digest.
    let (place, other) = (begin(&pushes).await, begin(&pushes).await);
    assert_eq!(pushes.call("PATCH", &place, "a blob").await.status, 202);
    for (place, body, digest) in
        [(&place, "more", digest("a blob")), (&place, "", digest("a blob")), (&other, "x", digest(""))]
    {
        let put = pushes.call("PUT", &format!("{place}?digest={digest}"), body).await;
        let expected = if body.is_empty() { (404, "BLOB_UPLOAD_UNKNOWN") } else { (400, "DIGEST_INVALID") };
        refused(&put, expected.0, expected.1);
    }
}

#[tokio::test]
async fn what_a_hold_gives_to_be_kept_is_short() {
    let pushes = Pushes::start().await;
    for (length, status) in [(1025, 503), (1024, 202)] {
        pushes.says(INITIATE, &json!({ "uploadId": "u".repeat(length) }));
        assert_eq!(pushes.call("POST", &format!("{BLOBS}uploads/"), "").await.status, status, "{length}");
    }
    let place = begin(&pushes).await;
    let here = format!("http://localhost:{}", pushes.registry.network.port);
    pushes.says(PART_URL, &json!({ "url": format!("{here}/part"), "method": "PUT" }));
    let etag = "e".repeat(257);
    let taken = format!("HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    pushes.registry.network.set("/part", Reply::Raw(taken));
    refused(&pushes.call("PUT", &format!("{place}?digest={}", digest("x")), "x").await, 503, "UNAVAILABLE");
    assert_eq!(pushes.call("GET", &place, "").await.header("range"), Some("0-0"));
}

#[tokio::test]
async fn what_comes_for_an_upload_that_was_given_up_is_not_acknowledged() {
    let pushes = uploading().await;
    let place = begin(&pushes).await;
    let mut client = TcpStream::connect(("127.0.0.1", pushes.registry.port)).await.unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        pushes.token
    );
    client.write_all(format!("{head}4\r\nsome\r\n").as_bytes()).await.unwrap();
    let folder = pushes.registry.database().with_file_name("uploads");
    let files = || std::fs::read_dir(&folder).unwrap().count();
    while files() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // As the deletion of its account does.
    let database = Connection::open(pushes.registry.database()).unwrap();
    assert_eq!(database.execute("DELETE FROM upload", []).unwrap(), 1);
    client.write_all(b"6\r\n bytes\r\n0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("BLOB_UPLOAD_UNKNOWN"), "{answer}");
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn an_upload_whose_file_is_gone_begins_anew() {
    let pushes = Pushes::start().await;
    pushes.says(INITIATE, &json!({ "uploadId": "u1" }));
    let begun = pushes.call("POST", &format!("{BLOBS}uploads/"), "").await;
    let place = begun.header("location").unwrap().to_owned();
    let sent = pushes.registry.call("PATCH", &place).bearer(&pushes.token).body("some bytes").chunked().send().await;
    assert_eq!((sent.status, sent.header("range")), (202, Some("0-9")));
    let folder = pushes.registry.database().with_file_name("uploads");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    std::fs::remove_file(&files[0]).unwrap();
    // Zeros in their place would pass for the bytes.
    let more = pushes.registry.call("PATCH", &place).bearer(&pushes.token).body("more").chunked().send().await;
    refused(&more, 404, "BLOB_UPLOAD_UNKNOWN");
    assert!(!files[0].exists());
    refused(&pushes.call("GET", &place, "").await, 404, "BLOB_UPLOAD_UNKNOWN");
}
