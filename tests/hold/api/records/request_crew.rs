//! requestCrew: joining, where the captain lets everyone join.

use atcr_hold::operations::{CrewAdd, CrewBan, CrewBans, CrewSet, CrewUnban};
use atproto::lexicon::Permission;
use serde_json::{Value, json};

use super::{CREW, delete, get_record, latest, uri, value_of};
use crate::support::hold::{Account, Answer, Hold, PRIVATE, PUBLIC};
use server::control::{AdminClient, Operation};

const OPEN: &str = "public = false\nallow_all_crew = true\n";
const DISABLED: &str = "this hold does not accept new crew members by request; ask its captain";

async fn request(hold: &Hold, account: &Account, input: Value) -> Answer {
    hold.post(account, "io.atcr.hold.requestCrew", &input).await
}

#[tokio::test]
async fn who_asks_is_a_member_from_then_on() {
    let hold = Hold::start(OPEN).await;
    let rkey = hold.stranger.did.as_str();
    // As a client does that wants nothing special: no body at all.
    let call = hold.call("POST", "/xrpc/io.atcr.hold.requestCrew").bearer(&hold.token(&hold.stranger));
    let answer = call.send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let output = answer.json();
    let record = get_record(&hold, CREW, rkey).await.ok();
    let expected = json!({
        "status": "created", "message": "welcome aboard", "uri": uri(&hold, CREW, rkey), "cid": record["cid"],
    });
    assert_eq!(output, expected);
    let value = &record["value"];
    assert_eq!((&value["member"], &value["role"]), (&json!(rkey), &json!("member")));
    assert_eq!(value["permissions"], json!(["blob:read", "blob:write"]));
    assert!(atproto::syntax::Datetime::parse(value["addedAt"].as_str().unwrap()).is_ok());
    hold.upload(&hold.stranger, b"from a new member").await;

    let at = latest(&hold).await;
    let again = request(&hold, &hold.stranger, json!({ "permissions": ["blob:read"] })).await;
    let output = again.ok();
    assert_eq!((&output["status"], &output["uri"]), (&json!("already_member"), &expected["uri"]));
    assert_eq!((&output["cid"], latest(&hold).await), (&record["cid"], at), "nothing changed");
}

#[tokio::test]
async fn nothing_beyond_reading_and_writing_is_granted() {
    for (input, granted) in [
        (json!({ "permissions": ["blob:read"] }), json!(["blob:read"])),
        (json!({ "permissions": ["crew:admin", "blob:write", "blob:write"], "role": "owner" }), json!(["blob:write"])),
        (json!({ "permissions": null, "role": null }), json!(["blob:read", "blob:write"])),
        (json!({ "role": "admin", "unknown": 1 }), json!(["blob:read", "blob:write"])),
    ] {
        let hold = Hold::start(OPEN).await;
        assert_eq!(request(&hold, &hold.stranger, input.clone()).await.status, 201);
        let record = value_of(&hold, CREW, hold.stranger.did.as_str()).await;
        assert_eq!((&record["permissions"], &record["role"]), (&granted, &json!("member")), "{input}");
    }
    let hold = Hold::start(OPEN).await;
    for input in
        [json!({ "permissions": ["crew:admin"] }), json!({ "permissions": [] }), json!({ "permissions": ["x"] })]
    {
        let message = "only blob:read and blob:write can be asked for";
        request(&hold, &hold.stranger, input).await.assert_refused(400, "InvalidRequest", message);
    }
    for input in [json!({ "permissions": "blob:read" }), json!({ "permissions": [1] }), json!({ "role": 1 }), json!([])]
    {
        request(&hold, &hold.stranger, input).await.assert_error(400, "InvalidRequest");
    }
    get_record(&hold, CREW, hold.stranger.did.as_str()).await.assert_error(400, "RecordNotFound");
}

#[tokio::test]
async fn where_joining_is_not_allowed_members_are_told_that_they_are() {
    for toml in [PUBLIC, PRIVATE, "allow_all_crew = true\nmutable_crew = false\n"] {
        let hold = Hold::start(toml).await;
        let at = latest(&hold).await;
        request(&hold, &hold.stranger, json!({})).await.assert_refused(403, "RegistrationDisabled", DISABLED);
        for account in [&hold.captain, &hold.admin, &hold.other_writer, &hold.reader] {
            assert_eq!(request(&hold, account, json!({})).await.ok()["status"], "already_member");
        }
        assert_eq!(latest(&hold).await, at);
    }
}

#[tokio::test]
async fn a_member_who_was_removed_can_join_again() {
    let hold = Hold::start(OPEN).await;
    let rkey = hold.stranger.did.as_str();
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);
    delete(&hold, &hold.admin, CREW, rkey).await.ok();
    let answer = hold.post(&hold.stranger, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    answer.assert_error(403, "Forbidden");
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);
}

async fn operate<O: Operation>(hold: &Hold, operation: O) -> O::Output {
    let client = AdminClient::new(&hold.root().join("admin.sock"));
    client.connect().await.unwrap().expect("a hold that listens").run(&operation, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_ban_outlives_what_the_account_does() {
    let hold = Hold::start(OPEN).await;
    let did = hold.stranger.did.clone();
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);
    operate(&hold, CrewBan { did: did.clone() }).await;
    let refused = "the captain of this hold has refused this account";
    let deletes = async || hold.post(&hold.stranger, "io.atcr.hold.deleteUserData", &json!({})).await.ok();
    for _ in 0..2 {
        hold.post(&hold.stranger, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" }))
            .await
            .assert_error(403, "Forbidden");
        request(&hold, &hold.stranger, json!({})).await.assert_refused(403, "Forbidden", refused);
        deletes().await;
    }
    let bans = operate(&hold, CrewBans {}).await;
    assert_eq!(bans.iter().map(|ban| (&ban.did, ban.permissions.len())).collect::<Vec<_>>(), [(&did, 0)]);
    assert!(operate(&hold, CrewUnban { did: did.clone() }).await);
    assert!(!operate(&hold, CrewUnban { did: did.clone() }).await);
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);

    // Reduced to reading, it deletes its data and asks again: it may read, and no more.
    let reduce = CrewSet { did: did.clone(), role: None, permissions: Some(vec![Permission::BlobRead]), tier: None };
    operate(&hold, reduce).await;
    deletes().await;
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);
    let answer = hold.post(&hold.stranger, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    answer.assert_error(403, "Forbidden");
    deletes().await;
    let write = json!({ "permissions": ["blob:write"] });
    request(&hold, &hold.stranger, write).await.assert_refused(403, "Forbidden", refused);
    // The captain's own word undoes it.
    let (role, tier) = ("member".to_owned(), None);
    operate(&hold, CrewAdd { did: did.clone(), role, permissions: vec![Permission::BlobWrite], tier }).await;
    assert_eq!(operate(&hold, CrewBans {}).await, []);
    hold.initiate(&hold.stranger).await;
}

#[tokio::test]
async fn who_joined_stays_over_a_restart_until_the_crew_is_immutable() {
    let mut hold = Hold::start(OPEN).await;
    assert_eq!(request(&hold, &hold.stranger, json!({})).await.status, 201);
    let rkey = hold.stranger.did.to_string();
    hold.restart(PRIVATE).await;
    value_of(&hold, CREW, &rkey).await;
    hold.restart("mutable_crew = false\n").await;
    get_record(&hold, CREW, &rkey).await.assert_error(400, "RecordNotFound");
    value_of(&hold, CREW, hold.reader.did.as_str()).await;
}

#[tokio::test]
async fn many_requests_at_once_make_one_record() {
    let hold = Hold::start(OPEN).await;
    let before = latest(&hold).await;
    let requests = (0..20).map(|_| request(&hold, &hold.stranger, json!({})));
    let mut answers: Vec<_> = futures_util::future::join_all(requests).await.iter().map(|a| a.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [[200; 19].as_slice(), &[201]].concat());
    assert_ne!(latest(&hold).await, before);
}
