//! How large parts and blobs may be, how many uploads may be open, and clients that go away.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::hold::{Account, Answer, Call, Hold, digest_of};

const SMALL: &str = "[limits]\nmax_part_bytes = 100000\nmax_blob_bytes = 150000\n";
const PART_TOO_LARGE: &str = "the part is larger than 100000 bytes";
const BLOB_TOO_LARGE: &str = "the blob is larger than 150000 bytes";

/// Both ways of sending a part: with its length announced, and without.
async fn both_ways(call: impl AsyncFn() -> Call) -> [Answer; 2] {
    [call().await.send().await, call().await.chunked().send().await]
}

#[tokio::test]
async fn a_part_beyond_its_limit_is_413_and_the_upload_goes_on() {
    let hold = Hold::start(SMALL).await;
    let id = hold.initiate(&hold.writer).await;
    let part = async |number: u32, bytes: usize| {
        let url = hold.part_url(&hold.writer, &id, number).await;
        hold.call("PUT", &url).body(vec![7; bytes])
    };
    for answer in both_ways(async || part(1, 100_001).await).await {
        answer.assert_refused(413, "PayloadTooLarge", PART_TOO_LARGE);
    }
    // Far beyond, so that the answer comes while the client still sends.
    for answer in both_ways(async || part(1, 3_000_000).await).await {
        answer.assert_refused(413, "PayloadTooLarge", PART_TOO_LARGE);
    }
    let one = hold.part(&hold.writer, &id, 1, vec![7; 100_000]).await;
    for answer in both_ways(async || part(2, 50_001).await).await {
        answer.assert_refused(413, "PayloadTooLarge", BLOB_TOO_LARGE);
    }
    // A part that is replaced does not count twice.
    let again = hold.part(&hold.writer, &id, 1, vec![8; 100_000]).await;
    assert_ne!(one, again);
    let two = hold.part(&hold.writer, &id, 2, vec![9; 50_000]).await;
    let whole = [vec![8; 100_000], vec![9; 50_000]].concat();
    let digest = digest_of(&whole);
    hold.complete(&hold.writer, &id, &digest.to_string(), &[(1, &again), (2, &two)]).await.ok();
    assert_eq!(hold.read_blob(&digest).await, whole);
}

#[tokio::test]
async fn too_many_open_uploads_are_429_until_one_ends() {
    let hold = Hold::start("[limits]\nuploads_per_account = 2\nuploads_total = 3\n").await;
    let initiate = async |account: &Account| {
        hold.post(account, "io.atcr.hold.initiateUpload", &json!({ "digest": "uploads/temp-1" })).await
    };
    let assert_full = |answer: &Answer| {
        let message = "too many uploads are open; complete or abort some";
        answer.assert_refused(429, "RateLimitExceeded", message);
        assert_eq!(answer.header("retry-after"), Some("60"));
    };
    let (first, second) = (hold.initiate(&hold.writer).await, hold.initiate(&hold.writer).await);
    assert_full(&initiate(&hold.writer).await);
    let other = hold.initiate(&hold.other_writer).await;
    assert_full(&initiate(&hold.other_writer).await);
    hold.complete(&hold.writer, &first, &digest_of(b"").to_string(), &[]).await.ok();
    let third = hold.initiate(&hold.other_writer).await;
    assert_full(&initiate(&hold.writer).await);
    for (account, id) in [(&hold.other_writer, other), (&hold.other_writer, third), (&hold.writer, second)] {
        hold.post(account, "io.atcr.hold.abortUpload", &json!({ "uploadId": id })).await.ok();
    }
    hold.initiate(&hold.writer).await;
}

#[tokio::test]
async fn the_uploads_of_a_removed_member_end_and_with_them_what_they_staged() {
    let hold = Hold::start("").await;
    let id = hold.initiate(&hold.writer).await;
    hold.part(&hold.writer, &id, 1, vec![7; 1000]).await;
    let kept = hold.initiate(&hold.other_writer).await;
    let staged = hold.root().join("blobs/uploads").join(&id);
    assert!(staged.exists());
    hold.remove_from_crew(&hold.writer).await;
    let gone = async {
        while staged.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    hold.part(&hold.other_writer, &kept, 1, vec![7; 1000]).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_part_and_may_come_back() {
    let hold = Hold::start("").await;
    let (whole, staged) = (vec![5; 200_000], hold.root().join("blobs/uploads"));
    let id = hold.initiate(&hold.writer).await;
    let url = hold.part_url(&hold.writer, &id, 1).await;
    for framing in ["Content-Length: 200000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n30d40\r\n"] {
        let mut client = TcpStream::connect(("127.0.0.1", hold.port)).await.unwrap();
        client.write_all(format!("PUT {url} HTTP/1.1\r\nHost: h\r\n{framing}").as_bytes()).await.unwrap();
        client.write_all(&whole[..150_000]).await.unwrap();
        let main = staged.join(&id).join("main");
        while std::fs::metadata(&main).map_or(0, |file| file.len()) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(client);
        // Its part is not recorded, and its bytes are taken back.
        let listed = hold.complete(&hold.writer, &id, &digest_of(&whole).to_string(), &[(1, "etag")]).await;
        listed.assert_error(400, "MissingParts");
        while std::fs::metadata(&main).map_or(0, |file| file.len()) != 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let etag = hold.part(&hold.writer, &id, 1, whole.clone()).await;
    let digest = digest_of(&whole);
    hold.complete(&hold.writer, &id, &digest.to_string(), &[(1, &etag)]).await.ok();
    assert_eq!(hold.read_blob(&digest).await, whole);
}

#[tokio::test]
async fn a_body_that_is_not_framed_as_announced_is_no_part() {
    let hold = Hold::start("").await;
    let id = hold.initiate(&hold.writer).await;
    let url = hold.part_url(&hold.writer, &id, 1).await;
    let head = format!("PUT {url} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let answer = crate::support::hold::raw(hold.port, format!("{head}5\r\nhello\r\nnot a chunk\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let body = r#"{"error":"InvalidRequest","message":"the body did not arrive: it is malformed"}"#;
    assert_eq!(answer.split("\r\n\r\n").nth(1), Some(body));
    let listed = hold.complete(&hold.writer, &id, &digest_of(b"hello").to_string(), &[(1, "etag")]).await;
    listed.assert_error(400, "MissingParts");
}
