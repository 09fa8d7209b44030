//! Real answers and records against the published lexicons.
//!
//! ATCR_HOLD_LEXICONS is a directory with them as JSON: `bash tests/lexicons.sh` says where it is. Without the variable
//! these tests say that they were skipped.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::schema::Lexicon;
use super::{LAYER, NOTIFY, STATS, notify, pull, push, push_of, quota, records};
use crate::support::hold::Hold;

const OPTIONS: &str = "public = true\nallow_all_crew = true\nbluesky_posts = true\n";
const TIERS: &str = "[tiers.bosun]\nquota = \"50 GB\"\n";

#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
fn lexicons() -> Option<PathBuf> {
    let directory = std::env::var_os("ATCR_HOLD_LEXICONS");
    if directory.is_none() {
        // Not `eprintln!`, which is captured: that tests were skipped is to be seen though they pass.
        let line = "skipped: published lexicons: ATCR_HOLD_LEXICONS is not set\n";
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    }
    directory.map(PathBuf::from)
}

#[tokio::test]
async fn answers_and_records_are_what_the_lexicons_say() {
    let Some(directory) = lexicons() else { return };
    let hold = Hold::start(OPTIONS).await;
    let lexicon = |nsid: &str| Lexicon::read(&directory, nsid);
    let check = |nsid: &str, output: &Value| {
        let lexicon = lexicon(nsid);
        lexicon.assert_valid(output, lexicon.output());
    };
    assert_eq!(hold.post(&hold.stranger, "io.atcr.hold.requestCrew", &json!({})).await.status, 201);
    check(NOTIFY, &push(&hold, &hold.stranger, "team/app", &["config", "one", "two"]).await.ok());
    check(NOTIFY, &pull(&hold, &hold.reader, &hold.stranger, "team/app").await.ok());
    check("io.atcr.hold.getQuota", &quota(&hold, &hold.stranger).await);
    for account in [&hold.stranger, &hold.captain] {
        let call = hold.get("/xrpc/io.atcr.hold.exportUserData").bearer(&hold.token(account));
        check("io.atcr.hold.exportUserData", &call.send().await.ok());
    }
    let input = json!({
        "ownerDid": hold.writer.did, "repository": "app", "pullCount": 3, "pushCount": 4,
        "lastPull": "2027-01-15T08:00:00.000Z", "lastPush": "2027-01-15T08:00:00.000Z",
    });
    check("io.atcr.hold.setStats", &hold.post(&hold.admin, "io.atcr.hold.setStats", &input).await.ok());
    for (collection, count) in [(LAYER, 2), (STATS, 2), ("io.atcr.hold.crew", 6), ("io.atcr.hold.captain", 1)] {
        let records = records(&hold, collection).await;
        assert_eq!(records.len(), count, "{collection}");
        let lexicon = lexicon(collection);
        records.iter().for_each(|(_, record)| lexicon.assert_valid(record, lexicon.record()));
    }
    let delete = hold.post(&hold.stranger, "io.atcr.hold.deleteUserData", &json!({})).await.ok();
    check("io.atcr.hold.deleteUserData", &delete);
}

#[tokio::test]
async fn what_inputs_must_have_is_demanded() {
    let Some(directory) = lexicons() else { return };
    let mut hold = Hold::start("").await;
    let options = format!("appviews = [\"{}\"]\n{TIERS}", hold.other_writer.did);
    hold.restart(&options).await;
    hold.upload(&hold.writer, b"config").await;
    let push = push_of(&hold.writer, "app", &["config"]);
    let stats = json!({ "ownerDid": hold.writer.did, "repository": "app" });
    let tier = json!({ "userDid": hold.stranger.did, "tierRank": 0 });
    for (nsid, account, input) in [
        (NOTIFY, &hold.writer, push),
        ("io.atcr.hold.setStats", &hold.admin, stats),
        ("io.atcr.hold.updateCrewTier", &hold.other_writer, tier),
    ] {
        let lexicon = Lexicon::read(&directory, nsid);
        let required = lexicon.required_input();
        assert!(!required.is_empty());
        for name in required {
            let mut without = input.clone();
            without.as_object_mut().unwrap().remove(name).expect("it was there");
            hold.post(account, nsid, &without).await.assert_error(400, "InvalidRequest");
        }
    }
    let minimal = json!({
        "repository": "app", "userDid": hold.writer.did, "manifest": {},
        "manifestDigest": crate::support::hold::digest_of(b"manifest"),
    });
    notify(&hold, &hold.writer, &minimal).await.ok();
}

#[test]
fn every_error_of_the_lexicons_has_its_name_here() {
    let Some(directory) = lexicons() else { return };
    let ours = include_str!("../../../src/atproto/lexicon/error.rs");
    for method in ["notifyManifest", "getQuota", "setStats", "updateCrewTier", "exportUserData", "deleteUserData"] {
        let lexicon = Lexicon::read(&directory, &format!("io.atcr.hold.{method}"));
        for name in lexicon.errors() {
            assert!(ours.contains(&format!("\"{name}\"")), "{method}: {name}");
        }
    }
}
