//! What no record method changes: the captain's membership, and what the configuration decides.

use atcr_hold::crew::member_key;
use serde_json::{Value, json};

use super::{APPLY, CAPTAIN, CREATE, CREW, DELETE, PUT, crew_record, delete, latest, value_of, with, write};
use crate::support::did_server::plc;
use crate::support::hold::{Hold, PUBLIC};

const MEMBERSHIP: &str = "the captain's own membership cannot be changed; it follows the configured owner";
const SETTINGS: &str = "owner, public, allowAllCrew, region, successor and deployedAt of the captain record follow the hold's configuration";

#[tokio::test]
async fn the_captains_membership_cannot_be_changed() {
    let hold = Hold::start(PUBLIC).await;
    let (captain, at) = (&hold.captain.did, latest(&hold).await);
    let record = with(crew_record(captain), "permissions", json!([]));
    for account in [&hold.captain, &hold.admin] {
        for nsid in [CREATE, PUT] {
            write(&hold, account, nsid, captain, &record).await.assert_refused(403, "Forbidden", MEMBERSHIP);
        }
        delete(&hold, account, CREW, captain.as_str()).await.assert_refused(403, "Forbidden", MEMBERSHIP);
        let writes = json!([
            { "$type": format!("{APPLY}#create"), "collection": CREW, "value": crew_record(&plc(50)) },
            { "$type": format!("{APPLY}#delete"), "collection": CREW, "rkey": captain },
        ]);
        let input = json!({ "repo": hold.did(), "writes": writes });
        hold.post(account, APPLY, &input).await.assert_refused(403, "Forbidden", MEMBERSHIP);
    }
    assert_eq!(latest(&hold).await, at);
}

#[tokio::test]
async fn settings_of_the_configuration_cannot_be_changed() {
    let hold = Hold::start("public = true\nregion = 'eu'\n").await;
    let captain = value_of(&hold, CAPTAIN, "self").await;
    let input = |record: &Value| json!({ "repo": hold.did(), "collection": CAPTAIN, "rkey": "self", "record": record });
    for (name, field) in [
        ("owner", json!(hold.admin.did)),
        ("public", json!(false)),
        ("allowAllCrew", json!(true)),
        ("deployedAt", json!("2020-01-01T00:00:00.000Z")),
        ("region", json!("us")),
        ("region", Value::Null),
        ("successor", json!("did:web:next.example.org")),
    ] {
        let changed = input(&with(captain.clone(), name, field));
        hold.post(&hold.captain, PUT, &changed).await.assert_refused(403, "Forbidden", SETTINGS);
    }
    let lasting = "the captain record cannot be created or deleted";
    hold.post(&hold.captain, CREATE, &input(&captain)).await.assert_refused(403, "Forbidden", lasting);
    hold.post(&hold.captain, DELETE, &input(&captain)).await.assert_refused(403, "Forbidden", lasting);
    let changed = with(captain, "enableBlueskyPosts", json!(true));
    let changed = with(changed, "unknown", json!({ "a": 1 }));
    hold.post(&hold.captain, PUT, &input(&changed)).await.ok();
    assert_eq!(value_of(&hold, CAPTAIN, "self").await, changed);
    let elsewhere = json!({ "repo": hold.did(), "collection": CAPTAIN, "rkey": "other", "record": changed });
    let message = "the key of this record must be self";
    hold.post(&hold.captain, PUT, &elsewhere).await.assert_refused(400, "InvalidRequest", message);
}

#[tokio::test]
async fn an_immutable_crew_is_changed_by_its_configuration_only() {
    let hold = Hold::start("mutable_crew = false\nallow_all_crew = true\n").await;
    let at = latest(&hold).await;
    let message = "crew is declared in the hold's configuration and cannot be changed at run time";
    for account in [&hold.captain, &hold.admin] {
        for nsid in [CREATE, PUT] {
            let answer = write(&hold, account, nsid, &plc(50), &crew_record(&plc(50))).await;
            answer.assert_refused(403, "Forbidden", message);
        }
        let answer = delete(&hold, account, CREW, hold.reader.did.as_str()).await;
        answer.assert_refused(403, "Forbidden", message);
    }
    assert_eq!(latest(&hold).await, at);
}

#[tokio::test]
async fn who_is_declared_is_changed_by_the_captain_and_not_by_an_admin() {
    let hold = Hold::start(PUBLIC).await;
    let at = latest(&hold).await;
    let message = "this member is declared in the hold's configuration: change it there, then reload the hold";
    for member in [&hold.reader.did, &hold.other_writer.did, &hold.admin.did] {
        let rkey = member_key(member);
        let record = with(crew_record(member), "permissions", json!(["crew:admin"]));
        for nsid in [CREATE, PUT] {
            write(&hold, &hold.admin, nsid, member, &record).await.assert_refused(403, "Forbidden", message);
        }
        delete(&hold, &hold.admin, CREW, rkey.as_str()).await.assert_refused(403, "Forbidden", message);
        for last in [
            json!({ "$type": format!("{APPLY}#create"), "collection": CREW, "value": record }),
            json!({ "$type": format!("{APPLY}#update"), "collection": CREW, "rkey": rkey, "value": record }),
            json!({ "$type": format!("{APPLY}#delete"), "collection": CREW, "rkey": rkey }),
        ] {
            let first =
                json!({ "$type": format!("{APPLY}#create"), "collection": CREW, "value": crew_record(&plc(50)) });
            let input = json!({ "repo": hold.did(), "writes": [first, last] });
            hold.post(&hold.admin, APPLY, &input).await.assert_refused(403, "Forbidden", message);
        }
    }
    assert_eq!(latest(&hold).await, at);
    // Others are the admin's to manage, and all are the captain's, until the next start.
    write(&hold, &hold.admin, PUT, &plc(50), &crew_record(&plc(50))).await.ok();
    let reader = &hold.reader.did;
    write(&hold, &hold.captain, PUT, reader, &with(crew_record(reader), "role", json!("bosun"))).await.ok();
    delete(&hold, &hold.captain, CREW, reader.as_str()).await.ok();
}
