//! applyWrites: all in one commit, or nothing.

use serde_json::{Value, json};

use super::{APPLY, CAPTAIN, CREW, crew_record, get_record, latest, uri, value_of, with};
use crate::support::did_server::plc;
use crate::support::hold::{Answer, Hold, PUBLIC};

async fn apply(hold: &Hold, writes: &[Value]) -> Answer {
    hold.post(&hold.captain, APPLY, &json!({ "repo": hold.did(), "writes": writes })).await
}

fn create(number: u32) -> Value {
    json!({ "$type": format!("{APPLY}#create"), "collection": CREW, "value": crew_record(&plc(number)) })
}

fn update(number: u32, role: &str) -> Value {
    let record = with(crew_record(&plc(number)), "role", json!(role));
    json!({ "$type": format!("{APPLY}#update"), "collection": CREW, "rkey": plc(number), "value": record })
}

fn delete(number: u32) -> Value {
    json!({ "$type": format!("{APPLY}#delete"), "collection": CREW, "rkey": plc(number) })
}

async fn cid_of(hold: &Hold, number: u32) -> Value {
    get_record(hold, CREW, plc(number).as_str()).await.ok()["cid"].clone()
}

#[tokio::test]
async fn all_kinds_of_writes_make_one_commit() {
    let hold = Hold::start(PUBLIC).await;
    apply(&hold, &[create(50), create(51)]).await.ok();
    let before = latest(&hold).await;
    let output = apply(&hold, &[create(52), update(50, "bosun"), delete(51)]).await.ok();
    let at = latest(&hold).await;
    assert_eq!(output["commit"], json!({ "cid": at.cid, "rev": at.rev }));
    assert!(at.rev > before.rev);
    let result = |kind: &str, number: u32, cid: Value| {
        json!({
            "$type": format!("{APPLY}#{kind}Result"), "uri": uri(&hold, CREW, plc(number).as_str()), "cid": cid,
            "validationStatus": "valid",
        })
    };
    let expected = json!([
        result("create", 52, cid_of(&hold, 52).await),
        result("update", 50, cid_of(&hold, 50).await),
        { "$type": format!("{APPLY}#deleteResult") },
    ]);
    assert_eq!(output["results"], expected);
    assert_eq!(value_of(&hold, CREW, plc(50).as_str()).await["role"], "bosun");
    get_record(&hold, CREW, plc(51).as_str()).await.assert_error(400, "RecordNotFound");
}

#[tokio::test]
async fn one_bad_write_undoes_all() {
    let hold = Hold::start(PUBLIC).await;
    apply(&hold, &[create(50)]).await.ok();
    let at = latest(&hold).await;
    let kind = |name: &str| json!({ "$type": format!("{APPLY}#{name}"), "collection": CREW, "rkey": plc(60) });
    let profile = json!({
        "$type": format!("{APPLY}#create"), "collection": "app.bsky.feed.post", "rkey": "self", "value": { "a": 1 },
    });
    let captain = json!({ "$type": format!("{APPLY}#delete"), "collection": CAPTAIN, "rkey": "self" });
    for (bad, status, name) in [
        (create(50), 400, "InvalidRequest"),
        (update(60, "x"), 400, "RecordNotFound"),
        (delete(60), 400, "RecordNotFound"),
        (create(51), 400, "InvalidRequest"),
        (update(50, "owner"), 400, "InvalidRequest"),
        (kind("upsert"), 400, "InvalidRequest"),
        (kind("update"), 400, "InvalidRequest"),
        (json!({ "collection": CREW, "rkey": plc(60) }), 400, "InvalidRequest"),
        (profile, 400, "InvalidRequest"),
        (captain, 403, "Forbidden"),
    ] {
        apply(&hold, &[create(51), bad]).await.assert_error(status, name);
        assert_eq!(latest(&hold).await, at);
    }
    get_record(&hold, CREW, plc(51).as_str()).await.assert_error(400, "RecordNotFound");
}

#[tokio::test]
async fn writes_that_change_nothing_make_no_commit() {
    let hold = Hold::start(PUBLIC).await;
    assert_eq!(apply(&hold, &[]).await.ok(), json!({ "results": [] }));
    apply(&hold, &[create(50)]).await.ok();
    let at = latest(&hold).await;
    let output = apply(&hold, &[update(50, "member")]).await.ok();
    assert!(output.get("commit").is_none(), "{output}");
    assert_eq!((output["results"].as_array().unwrap().len(), latest(&hold).await), (1, at));
}

#[tokio::test]
async fn two_hundred_writes_are_taken_and_one_more_is_not() {
    let hold = Hold::start(PUBLIC).await;
    let writes: Vec<_> = (100..301).map(create).collect();
    let at = latest(&hold).await;
    let message = "applyWrites takes at most 200 writes";
    apply(&hold, &writes).await.assert_refused(400, "InvalidRequest", message);
    assert_eq!(latest(&hold).await, at);
    let output = apply(&hold, &writes[1..]).await.ok();
    assert_eq!(output["results"].as_array().unwrap().len(), 200);
    assert_eq!(latest(&hold).await.rev, output["commit"]["rev"]);
}

#[tokio::test]
async fn a_swap_guards_all_of_them() {
    let hold = Hold::start(PUBLIC).await;
    let at = latest(&hold).await;
    let input = |number| json!({ "repo": hold.did(), "swapCommit": at.cid, "writes": [create(number)] });
    hold.post(&hold.captain, APPLY, &input(50)).await.ok();
    let message = "the repository is not at the expected version";
    hold.post(&hold.captain, APPLY, &input(51)).await.assert_refused(400, "InvalidSwap", message);
}
