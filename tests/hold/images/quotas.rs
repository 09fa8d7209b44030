//! How much an account has and may have, and what is refused beyond that.

use serde_json::{Value, json};

use super::{LAYER, notify, push, push_of, quota, records, rev};
use crate::support::hold::{Hold, PRIVATE};

/// Sizes that a test fills in a moment.
const TIERS: &str = "public = false\n[tiers.large]\nquota = \"1 KB\"\n[tiers.small]\nquota = \"10 B\"\n";

fn expected(did: &impl serde::Serialize, blobs: u64, bytes: u64, tier: Option<(&str, u64)>) -> Value {
    let mut quota = json!({ "userDid": did, "uniqueBlobs": blobs, "totalSize": bytes });
    if let Some((name, limit)) = tier {
        (quota["tier"], quota["limit"]) = (name.into(), limit.into());
    }
    quota
}

#[tokio::test]
async fn distinct_layers_and_configs_count_once_and_without_tiers_there_is_no_limit() {
    let hold = Hold::start(PRIVATE).await;
    assert_eq!(quota(&hold, &hold.writer).await, expected(&hold.writer.did, 0, 0, None));
    push(&hold, &hold.writer, "one", &["config", "12345", "123"]).await.ok();
    push(&hold, &hold.writer, "two", &["config", "12345", "1234567"]).await.ok();
    push(&hold, &hold.other_writer, "two", &["config", "12345"]).await.ok();
    assert_eq!(quota(&hold, &hold.writer).await, expected(&hold.writer.did, 3, 21, None));
    assert_eq!(quota(&hold, &hold.other_writer).await, expected(&hold.other_writer.did, 1, 11, None));
}

#[tokio::test]
async fn who_asks_badly_is_told() {
    let hold = Hold::start(PRIVATE).await;
    let path = "/xrpc/io.atcr.hold.getQuota";
    let answer = hold.get(path).send().await;
    answer.assert_refused(400, "InvalidRequest", "query parameter userDid is required");
    hold.get(&format!("{path}?userDid=alice")).send().await.assert_error(400, "InvalidUserDid");
}

#[tokio::test]
async fn a_push_beyond_the_limit_is_refused_and_nothing_of_it_is_recorded() {
    let hold = Hold::start(TIERS).await;
    // The smallest tier is that of whoever has none; configs count.
    push(&hold, &hold.writer, "app", &["c", "1234"]).await.ok();
    assert_eq!(quota(&hold, &hold.writer).await, expected(&hold.writer.did, 1, 5, Some(("small", 10))));
    let at = rev(&hold).await;
    let message = "quota exceeded: 5 B are used, the manifest adds 6 B, and the limit is 10 B";
    // What others uploaded costs nothing until a manifest names it.
    hold.upload(&hold.captain, b"123456").await;
    let large = push_of(&hold.writer, "app", &["c", "1234", "123456"]);
    notify(&hold, &hold.writer, &large).await.assert_refused(403, "QuotaExceeded", message);
    assert_eq!((rev(&hold).await, records(&hold, LAYER).await.len()), (at, 1));

    // Exactly full is allowed; then nothing that adds, and no upload.
    push(&hold, &hold.writer, "app", &["c", "1234", "abcde"]).await.ok();
    assert_eq!(quota(&hold, &hold.writer).await, expected(&hold.writer.did, 2, 10, Some(("small", 10))));
    notify(&hold, &hold.writer, &push_of(&hold.writer, "other", &["c", "abcde"])).await.ok();
    let upload = hold.post(&hold.writer, "io.atcr.hold.initiateUpload", &json!({ "digest": "temp" })).await;
    upload.assert_refused(403, "QuotaExceeded", "quota exceeded: 10 B are used, and the limit is 10 B");
    // Others, and the captain, are not concerned.
    push(&hold, &hold.other_writer, "app", &["c", "12345"]).await.ok();
    push(&hold, &hold.captain, "app", &["c", "captains have more than ten bytes"]).await.ok();
    assert_eq!(quota(&hold, &hold.captain).await, expected(&hold.captain.did, 1, 40, None));
}

#[tokio::test]
async fn a_smaller_limit_refuses_only_what_adds() {
    let mut hold = Hold::start(PRIVATE).await;
    push(&hold, &hold.writer, "app", &["c", "more than ten bytes"]).await.ok();
    hold.upload(&hold.captain, b"one").await;
    hold.restart(TIERS).await;
    notify(&hold, &hold.writer, &push_of(&hold.writer, "again", &["c", "more than ten bytes"])).await.ok();
    let refused =
        notify(&hold, &hold.writer, &push_of(&hold.writer, "again", &["c", "more than ten bytes", "one"])).await;
    let message = "quota exceeded: 20 B are used, the manifest adds 3 B, and the limit is 10 B";
    refused.assert_refused(403, "QuotaExceeded", message);
}
