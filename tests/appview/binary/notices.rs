//! What holds are still to be told of manifests, by the real program: whatever became of the session that pushed them, and
//! whatever stands before the hold.

use rusqlite::Connection;
use serde_json::Value;

use super::site::Site;
use crate::asked::Asked as _;
use crate::support::did_server::Reply;
use crate::support::process::eventually;

const NOTICES: &str = "/xrpc/io.atcr.hold.notifyManifest";

/// A registry that is to tell alice's hold of a manifest of hers since a session which has this number.
fn untold_since(session: u64) -> Site {
    let site = Site::new();
    site.hold_takes_uploads();
    let daemon = site.start();
    site.signed_in(&daemon);
    assert_eq!(daemon.stop(), Some(0));
    let hold = format!("http://localhost:{}", site.network.port);
    let digest = format!("sha256:{}", "7".repeat(64));
    let notice = serde_json::json!({ "repository": "app", "userDid": site.alice, "manifestDigest": digest, "manifest": {}, "operation": "push" });
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us) VALUES (?1, ?2, ?3, ?4, 0, 1, 1)";
    let row = (site.alice.as_str(), session.cast_signed(), &hold, notice.to_string());
    assert_eq!(open(&site).execute(sql, row).unwrap(), 1);
    site
}

fn open(site: &Site) -> Connection {
    Connection::open(site.path("appview.db")).unwrap()
}

fn waiting(site: &Site) -> Vec<(u32, Option<String>)> {
    let database = open(site);
    let mut rows = database.prepare("SELECT attempts, problem FROM notice").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_hold_is_told_by_another_session_where_that_of_the_push_has_ended() {
    let site = untold_since(1_000);
    let taken = serde_json::json!({ "success": true, "operation": "push", "statsUpdated": true });
    site.network.set(NOTICES, Reply::Body(taken.to_string()));
    let daemon = site.start();
    eventually("the hold is told", || waiting(&site).is_empty());
    assert_eq!(site.network.requests_of(NOTICES), 1);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_hold_that_does_not_take_the_token_is_told_later() {
    let site = untold_since(1);
    let body = r#"{"error":"BadJwtSignature","message":"no"}"#;
    let refusal = format!("HTTP/1.1 401 No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    site.network.set(NOTICES, Reply::Raw(refusal));
    let daemon = site.start();
    eventually("it is tried", || waiting(&site).iter().any(|(attempts, _)| *attempts == 1));
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(waiting(&site).len(), 1);
}

#[test]
fn a_notice_of_a_clock_that_was_ahead_does_not_wait_until_then() {
    let site = untold_since(1);
    let ahead = "UPDATE notice SET due_us = unixepoch() * 1000000 + 1000000 * 3600 * 24";
    assert_eq!(open(&site).execute(ahead, []).unwrap(), 1);
    let taken = serde_json::json!({ "success": true, "operation": "push", "statsUpdated": true });
    site.network.set(NOTICES, Reply::Body(taken.to_string()));
    let daemon = site.start();
    eventually("the hold is told", || waiting(&site).is_empty());
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_a_proxy_says_in_the_place_of_a_hold_is_no_refusal() {
    // Nothing answers there but what stands before the hold.
    let site = untold_since(1);
    let daemon = site.start();
    eventually("it is tried", || waiting(&site).iter().any(|(attempts, _)| *attempts == 1));
    let problem = waiting(&site).remove(0).1.unwrap();
    assert!(problem.contains("404"), "{problem}");
    // The hold itself has a name for it.
    let body = r#"{"error":"UserMismatch","message":"no"}"#;
    let refusal = format!("HTTP/1.1 404 No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    site.network.set(NOTICES, Reply::Raw(refusal));
    assert_eq!(daemon.stop(), Some(0));
    open(&site).execute("UPDATE notice SET due_us = 1", []).unwrap();
    let daemon = site.start();
    eventually("the hold refuses it", || waiting(&site).is_empty());
    assert_eq!(daemon.stop(), Some(0));
    let refused = refused(&site);
    let digest = format!("sha256:{}", "7".repeat(64));
    assert_eq!((refused[0]["repository"].as_str(), refused[0]["manifest"].as_str()), (Some("app"), Some(&*digest)));
    assert!(refused[0]["problem"].as_str().unwrap().ends_with("refuses it: no"), "{refused}");
}

/// What the export of alice's account has of manifests that holds did not take.
fn refused(site: &Site) -> Value {
    let exported = site.run(&["accounts", "export", site.alice.as_str()]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    serde_json::from_str::<Value>(&exported.stdout).unwrap()["refused"].take()
}

#[test]
fn what_a_hold_was_never_told_of_is_kept_for_the_owner_until_the_hold_takes_it() {
    let site = untold_since(1);
    // The last of the attempts of two weeks.
    open(&site).execute("UPDATE notice SET attempts = 340", []).unwrap();
    let daemon = site.start();
    eventually("it is given up", || waiting(&site).is_empty());
    let given_up = refused(&site);
    assert!(given_up[0]["problem"].as_str().unwrap().contains("does not answer"), "{given_up}");
    assert_eq!(daemon.stop(), Some(0));
    // It is pushed again, and the hold is there.
    let notice = serde_json::json!({ "repository": "app", "userDid": site.alice, "manifestDigest": given_up[0]["manifest"], "manifest": {} });
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us) VALUES (?1, 1, ?2, ?3, 0, 1, 1)";
    let hold = format!("http://localhost:{}", site.network.port);
    open(&site).execute(sql, (site.alice.as_str(), &hold, notice.to_string())).unwrap();
    let taken = serde_json::json!({ "success": true, "operation": "push", "statsUpdated": true });
    site.network.set(NOTICES, Reply::Body(taken.to_string()));
    let daemon = site.start();
    eventually("the hold is told", || waiting(&site).is_empty());
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(refused(&site), serde_json::json!([]));
}
