//! Crew records under other keys than this program gives them, as an imported repository may have them.

use atcr_hold::pds::RecordWrite;
use atproto::lexicon::Permission;
use atproto::repo::cbor;
use serde_json::{Value, json};

use super::{FIRST, START_US, Started};
use crate::support::did_server::plc;
use crate::support::repo_home::{CREW, change, member};

const KEYS: [&str; 5] = ["3kfa", "3kfb", "3kfc", "3kfd", "3kfe"];

/// A hold with such records of its owner, of two members, one of them twice, and of "*".
async fn started() -> Started {
    let mut started = Started::new(|_| {}).await;
    let record = |member: &Value, role: &str| {
        json!({
            "$type": CREW, "member": member, "role": role, "permissions": ["blob:read", "blob:write"], "addedAt": FIRST,
            "fromElsewhere": true,
        })
    };
    let members = [json!(plc(1)), json!(plc(2)), json!(plc(2)), json!(plc(3)), json!("*")];
    let write = |(key, member): (&&str, &Value)| {
        change(&format!("{CREW}/{key}"), RecordWrite::Create(cbor::from_json(&record(member, key)).unwrap()))
    };
    let changes = KEYS.iter().zip(&members).map(write).collect();
    started.home.commit(START_US, changes).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    started
}

#[tokio::test]
async fn they_move_to_the_key_of_their_member_and_count_from_then_on() {
    let mut started = started().await;
    let may_write = async |started: &Started, number| {
        started.home.crew.membership(&plc(number)).await.unwrap().may(Permission::BlobWrite)
    };
    assert!(!may_write(&started, 2).await);
    assert_eq!(started.again(|_| {}).await.len(), 1, "one commit");
    let records = started.home.records(CREW).await;
    let keys: Vec<_> = records.keys().map(String::as_str).collect();
    let [owner, second, third] = [plc(1), plc(2), plc(3)].map(|did| did.to_string());
    assert_eq!(keys, ["3kfe", &owner, &second, &third], "of what cannot be read nothing is lost");
    assert_eq!((&records[&second]["role"], &records[&second]["fromElsewhere"]), (&json!("3kfb"), &json!(true)));
    assert_eq!((&records[&owner]["role"], &records[&second]["addedAt"]), (&json!("owner"), &json!(FIRST)));
    assert!(may_write(&started, 2).await && may_write(&started, 3).await);
    assert_eq!(started.home.crew.members().await.unwrap().len(), 3);
    assert!(started.again(|_| {}).await.is_empty());
}

#[tokio::test]
async fn a_declared_member_is_as_declared_and_of_an_immutable_crew_others_go() {
    let mut started = started().await.with_mutable_crew(false);
    let declaration = member("mate", &[Permission::BlobRead]);
    started.again(|declared| drop(declared.crew.insert(plc(2), declaration))).await;
    let records = started.home.records(CREW).await;
    let keys: Vec<_> = records.keys().map(String::as_str).collect();
    let [owner, second] = [plc(1), plc(2)].map(|did| did.to_string());
    assert_eq!(keys, ["3kfe", &owner, &second]);
    assert_eq!((&records[&second]["role"], &records[&second]["addedAt"]), (&json!("mate"), &json!(FIRST)));
}
