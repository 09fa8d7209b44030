//! Records against their lexicons: wrong types are refused, what is unknown is kept.

use serde_json::{Value, json};

use super::{CAPTAIN, CREATE, CREW, PUT, crew_record, latest, value_of, with, write};
use crate::support::did_server::plc;
use crate::support::hold::{Hold, PUBLIC};

#[tokio::test]
async fn a_crew_record_must_be_what_its_lexicon_says() {
    let hold = Hold::start(PUBLIC).await;
    let (member, at) = (plc(50), latest(&hold).await);
    let long = "x".repeat(33);
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (name, field, expected) in [
        ("member", Value::Null, "member"),
        ("member", json!(5), "string"),
        ("member", json!("alice.test"), "DID"),
        ("member", json!(["did:plc:x"]), "string"),
        ("role", Value::Null, "role"),
        ("role", json!(1), "string"),
        ("role", json!(long), "role has at most 32 bytes"),
        ("role", json!("owner"), "only the captain has the role owner"),
        ("permissions", Value::Null, "permissions"),
        ("permissions", json!("blob:read"), "sequence"),
        ("permissions", json!([1]), "string"),
        ("permissions", json!(["x".repeat(65)]), "each permission has at most 64 bytes"),
        ("addedAt", Value::Null, "addedAt"),
        ("addedAt", json!(1_800_000_000), "string"),
        ("addedAt", json!("yesterday"), "datetime"),
        ("addedAt", json!("2027-01-15"), "datetime"),
        ("tier", json!(1), "string"),
        ("tier", json!(long), "tier has at most 32 bytes"),
        ("$type", json!(CAPTAIN), "$type must be io.atcr.hold.crew"),
        ("$type", json!(5), "$type must be io.atcr.hold.crew"),
        ("$type", json!(""), "$type must be io.atcr.hold.crew"),
        ("unknown", json!(1.5), "integers"),
        ("unknown", json!(u64::MAX), "integers"),
        ("unknown", json!({ "$link": "x" }), "$link"),
        ("unknown", json!({ "$bytes": "?" }), "$bytes"),
        ("unknown", json!({ "$type": "blob" }), "blob"),
        ("unknown", json!("x".repeat(8 * 1024)), "at most 8192 bytes"),
        ("unknown", deep, "nested too deeply"),
    ] {
        let record = with(crew_record(&member), name, field);
        for nsid in [CREATE, PUT] {
            let answer = write(&hold, &hold.captain, nsid, &member, &record).await;
            answer.assert_error(400, "InvalidRequest");
            assert!(answer.text().contains(expected), "{expected:?}: {}", answer.text());
        }
    }
    for record in [json!(null), json!("text"), json!([]), json!(5)] {
        let answer = write(&hold, &hold.captain, PUT, &member, &record).await;
        answer.assert_refused(400, "InvalidRequest", "a record must be an object");
    }
    assert_eq!(latest(&hold).await, at);
}

#[tokio::test]
async fn the_key_must_be_the_one_of_the_member() {
    let hold = Hold::start(PUBLIC).await;
    let record = crew_record(&plc(50));
    let message = format!("the key of this record must be {}", plc(50));
    for rkey in [plc(51).as_str(), "self", "3jzfcijpj2z2a"] {
        let input = json!({ "repo": hold.did(), "collection": CREW, "rkey": rkey, "record": record });
        for nsid in [CREATE, PUT] {
            hold.post(&hold.captain, nsid, &input).await.assert_refused(400, "InvalidRequest", &message);
        }
    }
    for rkey in ["a/b", "..", "", "with space"] {
        let input = json!({ "repo": hold.did(), "collection": CREW, "rkey": rkey, "record": record });
        let answer = hold.post(&hold.captain, PUT, &input).await;
        answer.assert_error(400, "InvalidRequest");
        assert!(answer.text().contains("record key"), "{}", answer.text());
    }
}

#[tokio::test]
async fn bounds_are_inclusive_and_what_is_unknown_is_kept() {
    let hold = Hold::start(PUBLIC).await;
    let member = plc(50);
    let link = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    let record = json!({
        "$type": CREW, "member": member, "role": "r".repeat(32), "tier": "t".repeat(32),
        "permissions": ["p".repeat(64), "blob:read"], "addedAt": "2027-01-15T09:00:00+01:00",
        "fromTheFuture": { "list": [1, -1, null, true, "ü"], "link": { "$link": link }, "bytes": { "$bytes": "AAH/" } },
    });
    write(&hold, &hold.captain, CREATE, &member, &record).await.ok();
    assert_eq!(value_of(&hold, CREW, member.as_str()).await, record);
    write(&hold, &hold.captain, PUT, &member, &with(record.clone(), "role", json!(""))).await.ok();
    assert_eq!(value_of(&hold, CREW, member.as_str()).await, with(record, "role", json!("")));
}

#[tokio::test]
async fn a_permission_that_is_unknown_grants_nothing() {
    let hold = Hold::start(PUBLIC).await;
    let member = crate::support::hold::Account::plc(50, &hold.network);
    let record = with(crew_record(&member.did), "permissions", json!(["blob:delete", "BLOB:WRITE", "*"]));
    write(&hold, &hold.captain, PUT, &member.did, &record).await.ok();
    let answer = hold.post(&member, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await;
    answer.assert_error(403, "Forbidden");
}

#[tokio::test]
async fn the_captain_record_must_be_what_its_lexicon_says() {
    let hold = Hold::start(PUBLIC).await;
    let captain = value_of(&hold, CAPTAIN, "self").await;
    for (name, field) in [
        ("owner", Value::Null),
        ("owner", json!("alice.test")),
        ("public", json!("true")),
        ("allowAllCrew", Value::Null),
        ("enableBlueskyPosts", json!(1)),
        ("deployedAt", json!("now")),
        ("successor", json!("nobody")),
        ("region", json!(5)),
        ("$type", json!(CREW)),
    ] {
        let record = with(captain.clone(), name, field);
        let input = json!({ "repo": hold.did(), "collection": CAPTAIN, "rkey": "self", "record": record });
        hold.post(&hold.captain, PUT, &input).await.assert_error(400, "InvalidRequest");
    }
    assert_eq!(value_of(&hold, CAPTAIN, "self").await, captain);
}
