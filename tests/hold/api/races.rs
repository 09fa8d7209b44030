//! Calls at once on one upload: some order of them, never a mixture, and nothing left behind.

use atproto::syntax::Digest;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::hold::{Answer, Hold, PRIVATE, digest_of};
use crate::support::still_clock::StillClock;

const ROUNDS: u32 = 20;

/// An upload with one part that is `content`.
async fn ready(hold: &Hold, content: &str) -> (String, String, Digest) {
    let id = hold.initiate(&hold.writer).await;
    let etag = hold.part(&hold.writer, &id, 1, content.to_owned()).await;
    (id, etag, digest_of(content.as_bytes()))
}

/// A connection whose request comes late on a busy machine is closed, which is no answer of the hold's. A real server may want
/// to be waited for.
fn still_clock(hold: &Hold) -> Option<StillClock> {
    (hold.store == "directory").then(StillClock::now)
}

async fn assert_nothing_staged(hold: &Hold) {
    let left = hold.staged().await;
    assert!(left.is_empty(), "{}: {left:?}", hold.store);
}

#[track_caller]
fn assert_gone(answer: &Answer) {
    answer.assert_refused(404, "InvalidUploadId", "there is no such upload of this account");
}

#[tokio::test]
async fn of_several_completions_all_succeed() {
    for hold in Hold::everywhere(PRIVATE).await {
        let _clock = still_clock(&hold);
        for round in 0..ROUNDS {
            let (id, etag, digest) = ready(&hold, &format!("round {round}")).await;
            let text = digest.to_string();
            let parts = [(1, etag.as_str())];
            for answer in join_all((0..4).map(|_| hold.complete(&hold.writer, &id, &text, &parts))).await {
                assert_eq!(answer.ok(), json!({ "status": "completed", "digest": text }));
            }
            assert!(hold.has_blob(&digest).await);
        }
        assert_nothing_staged(&hold).await;
    }
}

#[tokio::test]
async fn two_accounts_complete_the_same_digest() {
    for hold in Hold::everywhere(PRIVATE).await {
        let _clock = still_clock(&hold);
        for round in 0..ROUNDS {
            let content = format!("round {round}").into_bytes();
            let (one, two) =
                tokio::join!(hold.upload(&hold.writer, &content), hold.upload(&hold.other_writer, &content));
            assert_eq!(one, two);
            assert_eq!(hold.read_blob(&one).await, content);
        }
        assert_nothing_staged(&hold).await;
    }
}

#[tokio::test]
async fn either_the_completion_or_the_abortion_comes_first() {
    for hold in Hold::everywhere(PRIVATE).await {
        let _clock = still_clock(&hold);
        for round in 0..ROUNDS {
            let (id, etag, digest) = ready(&hold, &format!("round {round}")).await;
            let (text, input) = (digest.to_string(), json!({ "uploadId": id }));
            let parts = [(1, etag.as_str())];
            let complete = hold.complete(&hold.writer, &id, &text, &parts);
            let abort = hold.post(&hold.writer, "io.atcr.hold.abortUpload", &input);
            let (completed, aborted) = if round % 2 == 0 {
                tokio::join!(complete, abort)
            } else {
                let (aborted, completed) = tokio::join!(abort, complete);
                (completed, aborted)
            };
            if completed.status == 200 {
                assert_gone(&aborted);
            } else {
                assert_gone(&completed);
                assert_eq!(aborted.ok(), json!({ "status": "aborted" }));
            }
            assert_eq!(hold.has_blob(&digest).await, completed.status == 200);
            if hold.store == "directory" {
                assert_eq!(hold.blob_file(&digest).exists(), completed.status == 200);
            }
        }
        assert_nothing_staged(&hold).await;
    }
}

#[tokio::test]
async fn a_part_that_meets_the_completion_is_in_time_or_gone() {
    for hold in Hold::everywhere(PRIVATE).await {
        let _clock = still_clock(&hold);
        for round in 0..ROUNDS {
            let content = format!("round {round}");
            let (id, etag, digest) = ready(&hold, &content).await;
            let url = hold.part_url(&hold.writer, &id, 1 + round % 2).await;
            let (text, parts) = (digest.to_string(), [(1, etag.as_str())]);
            let part = hold.call("PUT", &url).body("another").send();
            let (part, completed) = tokio::join!(part, hold.complete(&hold.writer, &id, &text, &parts));
            if part.status != 200 {
                assert_gone(&part);
            }
            if completed.status == 200 {
                assert_eq!(hold.read_blob(&digest).await, content);
            } else {
                // The part replaced the one that was listed.
                completed.assert_error(400, "MissingParts");
                assert_eq!((round % 2, part.status), (0, 200));
                hold.post(&hold.writer, "io.atcr.hold.abortUpload", &json!({ "uploadId": id })).await.ok();
            }
        }
        assert_nothing_staged(&hold).await;
    }
}
