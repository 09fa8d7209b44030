//! What counts in a quota besides the layers that a manifest names: whatever is stored, once for each who stored it.

use serde_json::json;

use super::{notify, push, push_of, quota};
use crate::support::hold::{Account, Hold};

const OPEN: &str =
    "public = true\nallow_all_crew = true\n[limits]\nmax_config_bytes = 8\n[tiers.small]\nquota = \"10 B\"\n";

async fn used(hold: &Hold, account: &Account) -> u64 {
    quota(hold, account).await["totalSize"].as_u64().unwrap()
}

async fn join(hold: &Hold, account: &Account) {
    assert_eq!(hold.post(account, "io.atcr.hold.requestCrew", &json!({})).await.status, 201);
}

async fn leave(hold: &Hold, account: &Account) {
    hold.post(account, "io.atcr.hold.deleteUserData", &json!({})).await.ok();
}

/// Sends a part that must be refused with this message.
async fn assert_no_room(hold: &Hold, account: &Account, upload: &str, bytes: &'static [u8], message: &str) {
    let url = hold.part_url(account, upload, 1).await;
    let answer = hold.call("PUT", &url).body(bytes).send().await;
    answer.assert_refused(403, "QuotaExceeded", message);
}

#[tokio::test]
async fn a_blob_counts_for_its_uploaders_while_no_manifest_names_it() {
    for hold in Hold::everywhere(OPEN).await {
        join(&hold, &hold.stranger).await;
        for _ in 0..2 {
            hold.upload(&hold.stranger, b"1234").await;
        }
        assert_eq!(used(&hold, &hold.stranger).await, 4, "{}: the same blob counts once", hold.store);
        let upload = hold.initiate(&hold.stranger).await;
        let message = "quota exceeded: 4 B are used, 7 B would be added, and the limit is 10 B";
        assert_no_room(&hold, &hold.stranger, &upload, b"1234567", message).await;
        // Leaving and joining again changes nothing of what is stored.
        leave(&hold, &hold.stranger).await;
        join(&hold, &hold.stranger).await;
        assert_eq!(used(&hold, &hold.stranger).await, 4);

        // Whose manifest has it, has it; when that goes it counts for its uploader again.
        push(&hold, &hold.writer, "app", &["c"]).await.ok();
        notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &["c", "1234"])).await.ok();
        assert_eq!((used(&hold, &hold.stranger).await, used(&hold, &hold.writer).await), (0, 5));
        leave(&hold, &hold.writer).await;
        assert_eq!((used(&hold, &hold.stranger).await, used(&hold, &hold.writer).await), (4, 1));
        // As a config too.
        join(&hold, &hold.writer).await;
        notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &["1234"])).await.ok();
        assert_eq!((used(&hold, &hold.stranger).await, used(&hold, &hold.writer).await), (0, 5));
    }
}

#[tokio::test]
async fn what_open_uploads_have_staged_counts() {
    for hold in Hold::everywhere(OPEN).await {
        let (one, two) = (hold.initiate(&hold.writer).await, hold.initiate(&hold.writer).await);
        hold.part(&hold.writer, &one, 1, b"123456".to_vec()).await;
        assert_eq!(used(&hold, &hold.writer).await, 6);
        let message = "quota exceeded: 6 B are used, 5 B would be added, and the limit is 10 B";
        assert_no_room(&hold, &hold.writer, &two, b"12345", message).await;
        hold.part(&hold.writer, &two, 1, b"1234".to_vec()).await;
        let full = hold.post(&hold.writer, "io.atcr.hold.initiateUpload", &json!({ "digest": "temp" })).await;
        full.assert_refused(403, "QuotaExceeded", "quota exceeded: 10 B are used, and the limit is 10 B");
        hold.post(&hold.writer, "io.atcr.hold.abortUpload", &json!({ "uploadId": one })).await.ok();
        assert_eq!(used(&hold, &hold.writer).await, 4);
        // Nobody else is concerned, and the captain has no limit.
        hold.upload(&hold.other_writer, b"1234567890").await;
        hold.upload(&hold.captain, b"more than ten bytes").await;
    }
}

#[tokio::test]
async fn a_config_has_a_bound_of_its_own() {
    let hold = Hold::start(OPEN).await;
    let refused = push(&hold, &hold.writer, "app", &["123456789"]).await;
    let message = format!(
        "the config {} has 9 B, and a config may have 8 B (limits.max_config_bytes)",
        crate::support::hold::digest_of(b"123456789")
    );
    refused.assert_refused(400, "InvalidSize", &message);
    push(&hold, &hold.other_writer, "app", &["12345678"]).await.ok();
    push(&hold, &hold.captain, "app", &["123456789"]).await.ok();
}
