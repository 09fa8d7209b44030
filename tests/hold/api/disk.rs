//! A disk that has no room, or is not there: uploads are told to wait, and all else goes on.

use crate::support::hold::{Hold, PRIVATE, digest_of, raw};

/// More than any disk has.
const PEBIBYTE: u64 = 1 << 50;

#[tokio::test]
async fn a_part_that_the_disk_has_no_room_for_is_507() {
    let hold = Hold::start(&format!("[limits]\nmax_part_bytes = {PEBIBYTE}\nmax_blob_bytes = {PEBIBYTE}\n")).await;
    let digest = hold.upload(&hold.writer, b"before").await;
    let id = hold.initiate(&hold.writer).await;
    let url = hold.part_url(&hold.writer, &id, 1).await;
    let head = format!("PUT {url} HTTP/1.1\r\nHost: h\r\nContent-Length: {PEBIBYTE}\r\n\r\n");
    // The client is sending and will not end; the answer reaches it all the same.
    let answer = raw(hold.port, format!("{head}{}", "x".repeat(1_000_000))).await;
    assert!(answer.starts_with("HTTP/1.1 507 "), "{answer}");
    let body = r#"{"error":"InsufficientStorage","message":"the hold's storage is full"}"#;
    assert_eq!(answer.split("\r\n\r\n").nth(1), Some(body));
    assert_eq!(hold.read_blob(&digest).await, "before");
    hold.remove_from_crew(&hold.reader).await;
    // The upload itself is not lost.
    let etag = hold.part(&hold.writer, &id, 1, "fits").await;
    hold.complete(&hold.writer, &id, &digest_of(b"fits").to_string(), &[(1, &etag)]).await.ok();
}

#[tokio::test]
async fn storage_that_is_not_there_is_503_until_it_is_back() {
    let hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, b"before").await;
    let id = hold.initiate(&hold.writer).await;
    let url = hold.part_url(&hold.writer, &id, 1).await;
    let (uploads, away) = (hold.root().join("blobs/uploads"), hold.root().join("away"));
    std::fs::rename(&uploads, &away).unwrap();
    let answer = hold.call("PUT", &url).body("part").send().await;
    let message = "the hold cannot do this at present; try again later";
    answer.assert_refused(503, "ServiceUnavailable", message);
    assert_eq!(hold.read_blob(&digest).await, "before");
    std::fs::rename(&away, &uploads).unwrap();
    let etag = hold.part(&hold.writer, &id, 1, "part").await;
    hold.complete(&hold.writer, &id, &digest_of(b"part").to_string(), &[(1, &etag)]).await.ok();
}
