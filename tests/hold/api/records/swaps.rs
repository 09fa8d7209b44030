//! Writes that hold only on what the caller has seen.

use serde_json::{Value, json};

use super::{CREATE, CREW, DELETE, PUT, crew_record, latest, with};
use crate::support::did_server::plc;
use crate::support::hold::{Answer, Hold, PUBLIC};

/// A CID that is none of this repository.
const OTHER: &str = "bafyreifqwkmiw256ojf2zws6tzjeonw6bpd5vza4i22ccpcq4hjv2ts7cm";

/// Writes the record of `plc(50)` with more fields of the input.
async fn send(hold: &Hold, nsid: &str, role: &str, more: Value) -> Answer {
    let record = with(crew_record(&plc(50)), "role", json!(role));
    let mut input = json!({ "repo": hold.did(), "collection": CREW, "rkey": plc(50), "record": record });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hold.post(&hold.captain, nsid, &input).await
}

const RECORD: &str = "the record is not at the expected version";
const REPOSITORY: &str = "the repository is not at the expected version";

#[tokio::test]
async fn a_put_holds_on_the_expected_record() {
    let hold = Hold::start(PUBLIC).await;
    let put = |role, swap: Value| send(&hold, PUT, role, json!({ "swapRecord": swap }));
    put("one", json!(OTHER)).await.assert_refused(400, "InvalidSwap", RECORD);
    let one = put("one", Value::Null).await.ok()["cid"].clone();
    put("two", Value::Null).await.assert_refused(400, "InvalidSwap", RECORD);
    put("two", json!(OTHER)).await.assert_refused(400, "InvalidSwap", RECORD);
    let two = put("two", one.clone()).await.ok()["cid"].clone();
    put("three", one).await.assert_refused(400, "InvalidSwap", RECORD);
    put("two", two).await.ok();
    for bad in [json!("x"), json!(5), json!("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG")] {
        put("three", bad).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn a_delete_holds_on_the_expected_record() {
    let hold = Hold::start(PUBLIC).await;
    let cid = send(&hold, CREATE, "one", json!({})).await.ok()["cid"].clone();
    send(&hold, DELETE, "", json!({ "swapRecord": OTHER })).await.assert_refused(400, "InvalidSwap", RECORD);
    send(&hold, DELETE, "", json!({ "swapRecord": cid })).await.ok();
}

#[tokio::test]
async fn every_write_holds_on_the_expected_commit() {
    let hold = Hold::start(PUBLIC).await;
    let before = latest(&hold).await.cid;
    for nsid in [CREATE, PUT, DELETE] {
        for (bad, name) in [(OTHER, "InvalidSwap"), ("x", "InvalidRequest"), ("", "InvalidRequest")] {
            send(&hold, nsid, "one", json!({ "swapCommit": bad })).await.assert_error(400, name);
        }
    }
    assert_eq!(latest(&hold).await.cid, before);
    send(&hold, CREATE, "one", json!({ "swapCommit": before })).await.ok();
    let answer = send(&hold, PUT, "two", json!({ "swapCommit": before })).await;
    answer.assert_refused(400, "InvalidSwap", REPOSITORY);
    send(&hold, PUT, "two", json!({ "swapCommit": latest(&hold).await.cid })).await.ok();
    send(&hold, DELETE, "", json!({ "swapCommit": latest(&hold).await.cid })).await.ok();
}
