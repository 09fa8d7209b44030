//! One record created, put, deleted: what is answered, and what is then there.

use atproto::repo::{cbor, cid};
use serde_json::{Value, json};

use super::{CREATE, CREW, DELETE, PUT, crew_record, delete, get_record, latest, uri, value_of, with, write};
use crate::support::did_server::plc;
use crate::support::hold::{Account, Hold, PUBLIC};

fn cid_of(record: &Value) -> String {
    cid::dag_cbor(&cbor::encode(&cbor::from_json(record).unwrap()).unwrap()).to_string()
}

#[tokio::test]
async fn a_created_record_is_there() {
    let hold = Hold::start(PUBLIC).await;
    for (number, account) in [(50, &hold.captain), (51, &hold.admin)] {
        let (member, record) = (plc(number), crew_record(&plc(number)));
        let input = json!({ "repo": hold.did(), "collection": CREW, "record": record });
        let output = hold.post(account, CREATE, &input).await.ok();
        let at = latest(&hold).await;
        let expected = json!({
            "uri": uri(&hold, CREW, member.as_str()), "cid": cid_of(&record), "validationStatus": "valid",
            "commit": { "cid": at.cid, "rev": at.rev },
        });
        assert_eq!(output, expected);
        let output = get_record(&hold, CREW, member.as_str()).await.ok();
        assert_eq!(output, json!({ "uri": expected["uri"], "cid": expected["cid"], "value": record }));
        let again = hold.post(account, CREATE, &input).await;
        again.assert_refused(400, "InvalidRequest", "a record with this key exists already");
        assert_eq!(latest(&hold).await, at);
    }
}

#[tokio::test]
async fn the_type_is_added_and_the_key_of_a_member_with_a_port_is_hashed() {
    let hold = Hold::start(PUBLIC).await;
    let member = atproto::syntax::Did::parse("did:web:localhost%3A1").unwrap();
    let record = with(crew_record(&member), "$type", Value::Null);
    let input = json!({ "repo": hold.did(), "collection": CREW, "record": record });
    let output = hold.post(&hold.captain, CREATE, &input).await.ok();
    let key = atcr_hold::crew::member_key(&member);
    assert_eq!(output["uri"], uri(&hold, CREW, key.as_str()));
    assert_eq!(value_of(&hold, CREW, key.as_str()).await, crew_record(&member));
}

#[tokio::test]
async fn a_put_creates_replaces_and_tells_when_nothing_changed() {
    let hold = Hold::start(PUBLIC).await;
    let member = plc(50);
    let before = latest(&hold).await;
    let first = write(&hold, &hold.admin, PUT, &member, &crew_record(&member)).await.ok();
    assert!(first["commit"]["rev"].as_str().unwrap() > before.rev.as_str());
    let changed = with(crew_record(&member), "role", json!("bosun"));
    let second = write(&hold, &hold.admin, PUT, &member, &changed).await.ok();
    assert_eq!((&second["uri"], second["cid"].as_str()), (&first["uri"], Some(cid_of(&changed).as_str())));
    assert_eq!(value_of(&hold, CREW, member.as_str()).await, changed);
    let at = latest(&hold).await;
    let third = write(&hold, &hold.admin, PUT, &member, &changed).await.ok();
    let expected = json!({ "uri": first["uri"], "cid": second["cid"], "validationStatus": "valid" });
    assert_eq!(third, expected, "no commit");
    assert_eq!(latest(&hold).await, at);
}

#[tokio::test]
async fn a_delete_can_be_repeated() {
    let hold = Hold::start(PUBLIC).await;
    let member = plc(50);
    write(&hold, &hold.captain, PUT, &member, &crew_record(&member)).await.ok();
    let output = delete(&hold, &hold.admin, CREW, member.as_str()).await.ok();
    let at = latest(&hold).await;
    assert_eq!(output, json!({ "commit": { "cid": at.cid, "rev": at.rev } }));
    get_record(&hold, CREW, member.as_str()).await.assert_refused(400, "RecordNotFound", "there is no such record");
    for key in [member.as_str(), "never-was"] {
        assert_eq!(delete(&hold, &hold.admin, CREW, key).await.ok(), json!({}));
    }
    assert_eq!(latest(&hold).await, at);
}

#[tokio::test]
async fn a_written_permission_holds_from_the_next_call() {
    let hold = Hold::start(PUBLIC).await;
    let member = Account::plc(50, &hold.network);
    let record = |permission: &str| with(crew_record(&member.did), "permissions", json!([permission]));
    let other = crew_record(&plc(51));
    let denied = "access denied for crew:admin: user is not a crew member (required: crew:admin)";
    write(&hold, &member, PUT, &plc(51), &other).await.assert_refused(403, "Forbidden", denied);
    write(&hold, &hold.captain, PUT, &member.did, &record("crew:admin")).await.ok();
    write(&hold, &member, PUT, &plc(51), &other).await.ok();
    // An admin may take the permission from itself; nothing brings it back but another admin.
    write(&hold, &member, PUT, &member.did, &record("blob:write")).await.ok();
    let denied = "access denied for crew:admin: crew member lacks permission (required: crew:admin)";
    delete(&hold, &member, CREW, plc(51).as_str()).await.assert_refused(403, "Forbidden", denied);
    hold.initiate(&member).await;
    delete(&hold, &hold.admin, CREW, member.did.as_str()).await.ok();
    let answer = hold.post(&member, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    let denied = "access denied for blob:write: user is not a crew member (required: blob:write)";
    answer.assert_refused(403, "Forbidden", denied);
}

#[tokio::test]
async fn only_this_repository_can_be_written() {
    let hold = Hold::start(PUBLIC).await;
    let message = "this server has only the hold's own repository";
    for repo in ["did:web:localhost", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "localhost", "", hold.captain.did.as_str()] {
        for nsid in [CREATE, PUT, DELETE, super::APPLY] {
            let record = crew_record(&plc(50));
            let input = json!({ "repo": repo, "collection": CREW, "rkey": plc(50), "record": record, "writes": [] });
            hold.post(&hold.captain, nsid, &input).await.assert_refused(400, "RepoNotFound", message);
        }
    }
}

#[tokio::test]
async fn only_crew_captain_and_profile_can_be_written() {
    let hold = Hold::start(PUBLIC).await;
    let at = latest(&hold).await;
    let message = "only records of io.atcr.hold.crew, io.atcr.hold.captain and app.bsky.actor.profile can be written";
    for collection in
        ["app.bsky.actor.profiles", "app.bsky.feed.post", "io.atcr.hold.crew.x", "io.atcr.hold.layer", "crew", ""]
    {
        let record = json!({ "$type": collection, "text": "x" });
        let input = json!({ "repo": hold.did(), "collection": collection, "rkey": "self", "record": record });
        for nsid in [CREATE, PUT, DELETE] {
            hold.post(&hold.captain, nsid, &input).await.assert_refused(400, "InvalidRequest", message);
        }
    }
    assert_eq!(latest(&hold).await, at);
}
