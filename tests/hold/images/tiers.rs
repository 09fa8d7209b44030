//! Tiers: in what order, whose they are, and who may change that.

use serde_json::{Value, json};

use super::quota;
use crate::support::hold::{Account, Answer, Hold, PRIVATE};

const UPDATE: &str = "io.atcr.hold.updateCrewTier";

/// Tiers in an order of their names that is not that of their sizes, and the captain's word as a front end.
fn options(appview: &str) -> String {
    format!(
        "allow_all_crew = true\nnew_crew_tier = \"bosun\"\nappviews = [\"{appview}\"]\n[tiers]\n\
         bosun.quota = \"50 GB\"\nadmiral.quota = \"1 TiB\"\ndeckhand.quota = \"5GB\"\n"
    )
}

async fn joined() -> Hold {
    let mut hold = Hold::start("allow_all_crew = true\n").await;
    let answer = hold.post(&hold.stranger, "io.atcr.hold.requestCrew", &json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let appview = hold.other_writer.did.to_string();
    hold.restart(&options(&appview)).await;
    hold
}

async fn update(hold: &Hold, as_account: &Account, member: &Account, rank: Value) -> Answer {
    hold.post(as_account, UPDATE, &json!({ "userDid": member.did, "tierRank": rank })).await
}

#[tokio::test]
async fn tiers_are_listed_from_the_smallest() {
    let hold = Hold::start(PRIVATE).await;
    assert_eq!(hold.get("/xrpc/io.atcr.hold.listTiers").send().await.ok(), json!({ "tiers": [] }));
    let hold = Hold::start(&options("did:web:atcr.io")).await;
    let tier = |name: &str, bytes: u64, text: &str| json!({ "name": name, "quotaBytes": bytes, "quotaFormatted": text, "scanOnPush": false });
    let expected = [
        tier("deckhand", 5_000_000_000, "5.0 GB"),
        tier("bosun", 50_000_000_000, "50.0 GB"),
        tier("admiral", 1 << 40, "1.1 TB"),
    ];
    assert_eq!(hold.get("/xrpc/io.atcr.hold.listTiers").send().await.ok(), json!({ "tiers": expected }));
}

#[tokio::test]
async fn a_trusted_front_end_puts_members_into_tiers() {
    let hold = joined().await;
    let appview = &hold.other_writer;
    assert_eq!(quota(&hold, &hold.stranger).await["tier"], "bosun", "that of new members");
    for (rank, name) in [(0, "deckhand"), (2, "admiral"), (1, "bosun"), (9, "admiral")] {
        let output = update(&hold, appview, &hold.stranger, json!(rank)).await.ok();
        assert_eq!(output, json!({ "tierName": name }));
        assert_eq!(quota(&hold, &hold.stranger).await["tier"], name);
    }
    let nobody = json!({ "userDid": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "tierRank": 0 });
    let message = "the account is no crew member of this hold";
    hold.post(appview, UPDATE, &nobody).await.assert_refused(404, "UserNotFound", message);
    let message = "this member is declared in the hold's configuration: change it there, then reload the hold";
    update(&hold, appview, &hold.writer, json!(0)).await.assert_refused(403, "Forbidden", message);
    let message = "the captain's own membership cannot be changed; it follows the configured owner";
    update(&hold, appview, &hold.captain, json!(0)).await.assert_refused(403, "Forbidden", message);
    for rank in [json!(-1), json!(1.5), json!("0"), Value::Null] {
        update(&hold, appview, &hold.stranger, rank).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn nobody_else_does() {
    let hold = joined().await;
    let message = "a token of a registry front end that this hold trusts is required";
    for account in [&hold.captain, &hold.admin, &hold.stranger] {
        update(&hold, account, &hold.stranger, json!(2)).await.assert_refused(401, "AuthRequired", message);
    }
    assert_eq!(quota(&hold, &hold.stranger).await["tier"], "bosun");
}

#[tokio::test]
async fn without_tiers_there_is_no_rank() {
    let mut hold = joined().await;
    let options = format!("appviews = [\"{}\"]\n", hold.other_writer.did);
    hold.restart(&options).await;
    let answer = update(&hold, &hold.other_writer, &hold.stranger, json!(0)).await;
    answer.assert_refused(400, "InvalidRequest", "this hold has no tiers");
}
