//! Notifications at once: each layer is recorded once, and what an account deleted does not come back.

use futures_util::future::join_all;
use serde_json::json;

use super::{LAYER, STATS, counted, notify, push_of, quota, records};
use crate::support::hold::Hold;
use crate::support::still_clock::StillClock;

const OPEN: &str = "public = true\nallow_all_crew = true\n";
const ROUNDS: usize = 10;

#[tokio::test]
async fn of_equal_pushes_at_once_one_makes_the_records() {
    let mut hold = Hold::start(OPEN).await;
    for content in ["config", "one", "two"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    for round in 0..ROUNDS {
        let _clock = StillClock::now();
        let input = push_of(&hold.writer, &format!("app{round}"), &["config", "one", "two"]);
        let answers = join_all((0..8).map(|_| notify(&hold, &hold.writer, &input))).await;
        let created: Vec<_> = answers.iter().map(|answer| answer.ok()["layersCreated"].as_u64().unwrap()).collect();
        assert_eq!(created.iter().sum::<u64>(), if round == 0 { 2 } else { 0 }, "{created:?}");
    }
    // All rounds push the same manifest, under other names.
    assert_eq!(records(&hold, LAYER).await.len(), 2);
    hold.restart(OPEN).await;
    counted(&hold, |stats| stats.len() == ROUNDS && stats.iter().all(|(_, stats)| stats["pushCount"] == 8)).await;
}

#[tokio::test]
async fn pushes_at_once_do_not_pass_the_limit_together() {
    let hold = Hold::start("[tiers.small]\nquota = \"16 B\"\n").await;
    let contents: Vec<_> = (0..8).map(|number| format!("four{number}")).collect();
    hold.upload(&hold.captain, b"config").await;
    for content in &contents {
        hold.upload(&hold.captain, content.as_bytes()).await;
    }
    let inputs: Vec<_> = contents.iter().map(|content| push_of(&hold.writer, "app", &["config", content])).collect();
    let _clock = StillClock::now();
    let answers = join_all(inputs.iter().map(|input| notify(&hold, &hold.writer, input))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    assert_eq!(quota(&hold, &hold.writer).await["totalSize"], 16);
}

#[tokio::test]
async fn nothing_is_recorded_after_an_account_deleted_its_data() {
    let hold = Hold::start(OPEN).await;
    for content in ["config", "one", "two"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    for round in 0..ROUNDS {
        assert_eq!(hold.post(&hold.stranger, "io.atcr.hold.requestCrew", &json!({})).await.status, 201);
        let inputs: Vec<_> =
            (0..6).map(|n| push_of(&hold.stranger, &format!("a{n}"), &["config", "one", "two"])).collect();
        let pushes = inputs.iter().map(|input| notify(&hold, &hold.stranger, input));
        let nothing = json!({});
        let _clock = StillClock::now();
        let delete = hold.post(&hold.stranger, "io.atcr.hold.deleteUserData", &nothing);
        let (answers, deleted) = tokio::join!(join_all(pushes), delete);
        assert_eq!(deleted.ok()["crewDeleted"], true);
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.assert_error(403, "Forbidden");
        }
        let left = (records(&hold, LAYER).await.len(), records(&hold, STATS).await.len());
        assert_eq!(left, (0, 0), "round {round}");
    }
}
