//! completeUpload: what becomes a blob, and what does not.

use serde_json::json;

use crate::support::hold::{Answer, Hold, PRIVATE, digest_of};

const MISSING: &str = "the parts are not exactly those that were received, numbered from 1 without a gap";
const MISMATCH: &str = "the content does not have this digest";
const MALFORMED: &str = "digest must be \"sha256:\" and 64 lower-case hexadecimal digits";

/// By the hold itself, or by a bucket, whose code is told.
#[track_caller]
fn assert_parts_refused(hold: &Hold, answer: &Answer) {
    answer.assert_error(400, "MissingParts");
    let text = answer.json()["message"].as_str().unwrap().to_owned();
    let by_bucket = hold.store != "directory" && text.starts_with("the store does not take the parts: ");
    assert!(text == MISSING || by_bucket, "{text}");
}

#[tokio::test]
async fn the_list_must_be_the_parts_that_were_received() {
    for hold in Hold::everywhere(PRIVATE).await {
        let id = hold.initiate(&hold.writer).await;
        let mut etags = vec![];
        for (number, text) in [(1, "one"), (2, "two"), (4, "four")] {
            etags.push(hold.part(&hold.writer, &id, number, text).await);
        }
        let [one, two, four] = [&etags[0], &etags[1], &etags[2]].map(String::as_str);
        let digest = digest_of(b"onetwo").to_string();
        for parts in [
            &[(2, two)][..],
            &[(1, one), (2, two), (4, four)],
            &[(1, one), (2, two), (2, two)],
            &[(1, one), (2, one)],
            &[(1, two), (2, one)],
            &[(1, one), (2, "")],
            &[(1, one), (2, "\"")],
            &[(1, one), (2, "W/")],
            &[(1, one), (2, "\0")],
            &[(1, one), (2, &"x".repeat(129))],
            &[(1, one), (2, two), (3, four)],
            &[(1, one), (2, two), (10_000, four)],
        ] {
            assert_parts_refused(&hold, &hold.complete(&hold.writer, &id, &digest, parts).await);
            assert!(!hold.has_blob(&digest_of(b"onetwo")).await);
        }
        let input = json!({ "uploadId": id, "digest": digest });
        hold.post(&hold.writer, "io.atcr.hold.completeUpload", &input).await.assert_error(400, "InvalidRequest");
        // In any order, and part 4 may be left out: the list is what counts.
        // A proxy that compressed the answers to the parts weakened the ETags.
        let (quoted, weak) = (format!("\"{two}\""), format!("W/\"{one}\""));
        let output = hold.complete(&hold.writer, &id, &digest, &[(2, &quoted), (1, &weak)]).await.ok();
        assert_eq!(output, json!({ "status": "completed", "digest": digest }));
        assert_eq!(hold.read_blob(&digest_of(b"onetwo")).await, "onetwo");
    }
}

#[tokio::test]
async fn a_digest_that_is_malformed_or_not_that_of_the_bytes_makes_nothing_visible() {
    for hold in Hold::everywhere(PRIVATE).await {
        let (right, claimed) = (digest_of(b"content"), digest_of(b"other content"));
        let id = hold.initiate(&hold.writer).await;
        let etag = hold.part(&hold.writer, &id, 1, "content").await;
        let parts = [(1, etag.as_str())];
        let hex = right.hex();
        for malformed in [
            "",
            &hex,
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha256:{}", &hex[1..]),
            &format!("sha256:{hex}0"),
            &format!(" sha256:{hex}"),
            &format!("sha512:{hex}{hex}"),
            &format!("sha256:{}", "../".repeat(21) + "a"),
            "uploads/temp-0d6c",
        ] {
            let answer = hold.complete(&hold.writer, &id, malformed, &parts).await;
            answer.assert_refused(400, "InvalidDigest", MALFORMED);
        }
        let answer = hold.complete(&hold.writer, &id, &claimed.to_string(), &parts).await;
        answer.assert_refused(400, "InvalidDigest", MISMATCH);
        let empty = hold.complete(&hold.writer, &id, &right.to_string(), &[]).await;
        empty.assert_refused(400, "InvalidDigest", MISMATCH);
        for digest in [right, claimed] {
            assert!(!hold.has_blob(&digest).await && !hold.blob_file(&digest).exists(), "{} {digest}", hold.store);
        }
        // Nothing of the upload was lost by that.
        hold.complete(&hold.writer, &id, &right.to_string(), &parts).await.ok();
        assert_eq!(hold.read_blob(&right).await, "content");
    }
}

#[tokio::test]
async fn an_empty_list_is_the_empty_blob() {
    for hold in Hold::everywhere(PRIVATE).await {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let id = hold.initiate(&hold.writer).await;
        hold.complete(&hold.writer, &id, digest, &[]).await.ok();
        assert_eq!(hold.read_blob(&digest_of(b"")).await, "");
        // So is one part of no bytes.
        let id = hold.initiate(&hold.writer).await;
        let etag = hold.part(&hold.writer, &id, 1, "").await;
        hold.complete(&hold.writer, &id, digest, &[(1, &etag)]).await.ok();
    }
}

#[tokio::test]
async fn a_repeated_call_and_a_known_digest_are_completed() {
    for hold in Hold::everywhere(PRIVATE).await {
        let (content, digest) = ("shared", digest_of(b"shared"));
        let text = digest.to_string();
        let id = hold.initiate(&hold.writer).await;
        let etag = hold.part(&hold.writer, &id, 1, content).await;
        for _ in 0..3 {
            let output = hold.complete(&hold.writer, &id, &text, &[(1, &etag)]).await.ok();
            assert_eq!(output, json!({ "status": "completed", "digest": text }));
        }
        // A client that forgot its parts while the answer was lost.
        hold.complete(&hold.writer, &id, &text, &[]).await.ok();
        // The same digest once more, by the same account and by another.
        assert_eq!(hold.upload(&hold.writer, content.as_bytes()).await, digest);
        assert_eq!(hold.upload(&hold.other_writer, content.as_bytes()).await, digest);
        // Wrong bytes under a known digest leave the blob as it is.
        let id = hold.initiate(&hold.other_writer).await;
        let etag = hold.part(&hold.other_writer, &id, 1, "damage").await;
        hold.complete(&hold.other_writer, &id, &text, &[(1, &etag)]).await.ok();
        assert_eq!(hold.read_blob(&digest).await, content);
    }
}

#[tokio::test]
async fn parts_may_come_in_any_order_and_again_and_after_a_restart() {
    for mut hold in Hold::everywhere(PRIVATE).await {
        let id = hold.initiate(&hold.writer).await;
        let three = hold.part(&hold.writer, &id, 3, "c").await;
        let wrong = hold.part(&hold.writer, &id, 1, "wrong").await;
        hold.restart(PRIVATE).await;
        let one = hold.part(&hold.writer, &id, 1, "a").await;
        let two = hold.part(&hold.writer, &id, 2, "b").await;
        let digest = digest_of(b"abc").to_string();
        let replaced = hold.complete(&hold.writer, &id, &digest, &[(1, &wrong), (2, &two), (3, &three)]).await;
        assert_parts_refused(&hold, &replaced);
        hold.complete(&hold.writer, &id, &digest, &[(1, &one), (2, &two), (3, &three)]).await.ok();
        hold.restart(PRIVATE).await;
        assert_eq!(hold.read_blob(&digest_of(b"abc")).await, "abc");
        hold.complete(&hold.writer, &id, &digest, &[]).await.ok();
    }
}
