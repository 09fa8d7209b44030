//! Pulls: counted for whoever may read, at once and many together, and in the records a little later.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{STATS, notify, pull, push, push_of, records, rev};
use crate::support::hold::{Hold, PRIVATE, PUBLIC};
use crate::support::still_clock::StillClock;

/// What a pull that was counted answers, or one that was not.
fn pulled(counted: bool) -> Value {
    json!({ "success": true, "operation": "pull", "statsUpdated": counted })
}

#[tokio::test]
async fn whoever_may_read_is_counted() {
    let hold = Hold::start(PRIVATE).await;
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    for account in [&hold.reader, &hold.writer, &hold.captain] {
        assert_eq!(pull(&hold, account, &hold.writer, "app").await.ok(), pulled(true));
    }
    let message = "access denied for blob:read: user is not a crew member (required: blob:read or blob:write)";
    pull(&hold, &hold.stranger, &hold.writer, "app").await.assert_refused(403, "Forbidden", message);

    let hold = Hold::start(PUBLIC).await;
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    assert_eq!(pull(&hold, &hold.stranger, &hold.writer, "app").await.ok(), pulled(true));
}

#[tokio::test]
async fn a_pull_of_what_was_never_pushed_here_leaves_no_trace() {
    let hold = Hold::start(PUBLIC).await;
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    let at = rev(&hold).await;
    assert_eq!(pull(&hold, &hold.stranger, &hold.writer, "other").await.ok(), pulled(false));
    assert_eq!(pull(&hold, &hold.stranger, &hold.reader, "app").await.ok(), pulled(false));
    let message = "repository is not a valid image name: it must look like myapp or team/my-app";
    pull(&hold, &hold.stranger, &hold.writer, "App").await.assert_refused(400, "InvalidRequest", message);
    assert_eq!((rev(&hold).await, records(&hold, STATS).await.len()), (at, 1));
}

#[tokio::test]
async fn a_flood_of_pulls_is_counted_exactly_and_makes_no_commits() {
    let mut hold = Hold::start(PUBLIC).await;
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    push(&hold, &hold.writer, "two", &["config", "layer"]).await.ok();
    let at = rev(&hold).await;
    for _ in 0..4 {
        let _clock = StillClock::now();
        let pulls = (0..50).map(|number| pull(&hold, &hold.reader, &hold.writer, ["app", "two"][number % 2]));
        assert!(join_all(pulls).await.iter().all(|answer| answer.ok() == pulled(true)));
    }
    assert_eq!(rev(&hold).await, at, "they are counted, and wait for the next commit");

    // A push of the same image that makes a commit brings them into it, with one that made none; a restart those of the
    // other.
    notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &["config", "layer"])).await.ok();
    assert_eq!(rev(&hold).await, at);
    push(&hold, &hold.writer, "app", &["config", "new layer"]).await.ok();
    let of = |records: &[(String, Value)], name: &str| {
        records.iter().find(|(_, record)| record["repository"] == name).unwrap().1.clone()
    };
    let app = of(&records(&hold, STATS).await, "app");
    assert_eq!((&app["pullCount"], &app["pushCount"]), (&json!(100), &json!(3)));
    assert!(app["lastPull"].is_string());
    hold.restart(PUBLIC).await;
    let two = loop {
        let two = of(&records(&hold, STATS).await, "two");
        if two["pullCount"] != 0 {
            break two;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&two["pullCount"], &two["pushCount"]), (&json!(100), &json!(1)));
    assert_eq!(of(&records(&hold, STATS).await, "app")["pullCount"], 100, "and none twice");
}
