//! Signing out: the account's own server ends the session once nothing here uses it, or the page says that it does not.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::person::{Person, TOKEN, form_token, status};
use crate::asked::Asked as _;
use crate::oci::pushes::{BLOBS, INDEX, INITIATE, NOTIFY, PUT_RECORD, Pushes, URI, digest};
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
/// What is done next is due, whatever the clock says.
const DUE: &str = "UPDATE ended_session SET due_us = 0";
const REVOKE: &str = "/oauth/revoke";

/// Signs a browser out; answers where it is sent, or the page that it is shown.
async fn sign_out(person: &mut Person<'_>) -> (Option<String>, String) {
    let token = form_token(&person.open("/settings").await);
    let answer = person.send("/auth/logout", &[("token", &token)]).await;
    (answer.header("location").map(str::to_owned), answer.text().to_owned())
}

#[tokio::test]
async fn the_last_browser_that_signs_out_ends_the_session_at_the_accounts_server() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    one.sign_in().await;
    other.sign_in().await;
    let revoked = || registry.network.requests_of(REVOKE);
    let before = revoked();
    let to_sign_in = Some("/auth/oauth/login".to_owned());
    assert_eq!(sign_out(&mut one).await.0, to_sign_in);
    assert_eq!(revoked(), before, "another browser uses it");
    assert_eq!(sign_out(&mut other).await.0, to_sign_in);
    assert_eq!(revoked(), before + 1);
    let body = registry.network.last_body(REVOKE);
    let token = url::form_urlencoded::parse(&body).find(|(name, _)| name == "token").unwrap().1.into_owned();
    assert_eq!(token, "refresh", "that ends the others with it");
    let database = Connection::open(registry.database()).unwrap();
    let sessions = || database.query_row("SELECT count(*) FROM pds_session", [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(sessions(), 0);

    one.sign_in().await;
    let device =
        "INSERT INTO device (account, secret, name, address, created_us, used_us) VALUES (?1, ?2, 'a', NULL, 1, 0)";
    database.execute(device, (registry.alice.as_str(), [7; 32])).unwrap();
    assert_eq!(sign_out(&mut one).await.0, to_sign_in);
    assert_eq!((revoked(), sessions()), (before + 1, 1), "a device uses it");
}

#[tokio::test]
async fn the_last_browser_that_signs_out_beside_a_sign_in_leaves_the_new_session() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    one.sign_in().await;
    let token = form_token(&one.open("/settings").await);
    assert_eq!(other.begin().await.status, 303);
    let mut tokens = registry.tokens();
    tokens["refresh_token"] = "newer".into();
    registry.says(TOKEN, &tokens);
    // The new tokens are stored, and the old ones are being given back.
    registry.network.set(REVOKE, Reply::Held("{}".into()));
    let before = registry.network.requests_of(REVOKE);
    let database = Connection::open(registry.database()).unwrap();
    let count = |table: &str| {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0)).unwrap()
    };
    let until = async |test: &dyn Fn() -> bool| {
        while !test() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let leave = async {
        until(&|| registry.network.requests_of(REVOKE) > before).await;
        one.send("/auth/logout", &[("token", &token)]).await
    };
    let release = async {
        until(&|| registry.network.requests_of(REVOKE) > before && count("browser_session") == 0).await;
        // It waits for the sign-in.
        tokio::time::sleep(Duration::from_millis(200)).await;
        registry.network.release();
    };
    let (signed_in, signed_out, ()) = tokio::join!(other.come_back(&[]), leave, release);
    assert_eq!((signed_in.status, signed_out.status), (303, 303));
    assert_eq!((count("pds_session"), count("browser_session")), (1, 1));
    assert_eq!(registry.network.requests_of(REVOKE), before + 1, "only the old tokens were given back");
    assert!(other.open("/settings").await.text().contains("This browser"));
}

#[tokio::test]
async fn who_leaves_is_told_when_the_accounts_server_could_not_be() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let failed = status("500 X", "{\"error\":\"server_error\",\"error_description\":\"it is broken\"}");
    for reply in [failed, Reply::Raw("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into())] {
        person.sign_in().await;
        registry.network.set(REVOKE, reply.clone());
        let (location, page) = sign_out(&mut person).await;
        assert_eq!(location, None);
        assert!(page.contains("You are signed out") && page.contains("could not be told to end it"), "{page}");
        assert!(person.open("/settings").await.text().contains("action=\"/auth/oauth/login\""), "signed out it is");

        person.sign_in().await;
        registry.network.set(REVOKE, reply);
        let token = form_token(&person.open("/settings").await);
        let page = person.send("/settings/delete", &[("token", &token), ("sure", "yes")]).await;
        assert_eq!((page.status, page.header("location")), (200, None));
        assert!(page.text().contains("Your data is deleted"), "{}", page.text());
        assert!(page.text().contains("could not be told to end it"), "{}", page.text());
        assert!(person.open("/settings").await.text().contains("action=\"/auth/oauth/login\""), "deleted it is");
    }
}

/// Waits until a count is reached.
async fn until(count: impl Fn() -> usize, wanted: usize) {
    while count() != wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_session_ends_at_the_accounts_server_when_the_last_browser_expires() {
    let mut registry = Registry::start(NONE).await;
    registry.has_oauth();
    Person::of(&registry).sign_in().await;
    let before = registry.network.requests_of(REVOKE);
    registry.restart_after("UPDATE browser_session SET expires_us = 1").await;
    until(|| registry.network.requests_of(REVOKE), before + 1).await;
    until(|| rows(&registry, "pds_session") + rows(&registry, "ended_session"), 0).await;

    // One that a device uses goes on without a browser.
    Person::of(&registry).sign_in().await;
    let before = registry.network.requests_of(REVOKE);
    let device = format!(
        "INSERT INTO device (account, secret, name, address, created_us, used_us)
         VALUES ('{}', zeroblob(32), 'a', NULL, 1, 0); DELETE FROM browser_session;
         INSERT INTO pds_session (account, issuer, key, access, refresh, proven_us, begun_us)
         SELECT 'did:web:gone.example', issuer, key, access, 'unused', proven_us, begun_us FROM pds_session",
        registry.alice
    );
    registry.restart_after(&device).await;
    // The end of the other one shows that this one was looked at.
    until(|| registry.network.requests_of(REVOKE), before + 1).await;
    assert!(registry.network.last_body(REVOKE).windows(12).any(|part| part == b"token=unused"));
    until(|| rows(&registry, "ended_session"), 0).await;
    assert_eq!(rows(&registry, "pds_session"), 1);
}

#[tokio::test]
async fn a_server_that_could_not_be_told_is_told_later() {
    let mut registry = Registry::start(NONE).await;
    registry.has_oauth();
    for (line, body) in [("503 X", "{}"), ("429 X", "{}"), ("500 X", "")] {
        let mut person = Person::of(&registry);
        person.sign_in().await;
        registry.network.set(REVOKE, status(line, body));
        let (_, page) = sign_out(&mut person).await;
        assert!(page.contains("it is asked again for a day"), "{page}");
        assert_eq!((rows(&registry, "pds_session"), rows(&registry, "ended_session")), (0, 1));
        // It is asked once more to no avail, and then ends the session.
        let before = registry.network.requests_of(REVOKE);
        registry.restart_after(DUE).await;
        until(|| registry.network.requests_of(REVOKE), before + 1).await;
        until(|| count(&registry, "SELECT count(*) FROM ended_session WHERE attempts = 2"), 1).await;
        registry.says(REVOKE, &serde_json::json!({}));
        registry.restart_after(DUE).await;
        until(|| registry.network.requests_of(REVOKE), before + 2).await;
        until(|| rows(&registry, "ended_session"), 0).await;
        assert!(registry.network.last_body(REVOKE).windows(13).any(|part| part == b"token=refresh"));
    }
}

#[tokio::test]
async fn the_token_of_an_ended_session_is_kept_for_a_day_and_only_for_a_server_that_may_answer() {
    let mut registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    registry.network.set(REVOKE, status("401 X", "{\"error\":\"invalid_client\"}"));
    let (_, page) = sign_out(&mut person).await;
    assert!(page.contains("could not be told to end it") && !page.contains("it is asked again"), "{page}");
    assert_eq!(rows(&registry, "ended_session"), 0, "it would answer the same");
    let mut metadata = registry.server_metadata();
    metadata["revocation_endpoint"].take();
    registry.says("/.well-known/oauth-authorization-server", &metadata);
    let mut person = Person::of(&registry);
    person.sign_in().await;
    assert!(!sign_out(&mut person).await.1.contains("it is asked again"));
    assert_eq!(rows(&registry, "ended_session"), 0, "there is nothing to ask");

    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    registry.network.set(REVOKE, status("503 X", "{}"));
    sign_out(&mut person).await;
    assert_eq!(rows(&registry, "ended_session"), 1);
    registry.restart_after("UPDATE ended_session SET due_us = 0, ended_us = 1").await;
    until(|| rows(&registry, "ended_session"), 0).await;
}

fn rows(registry: &Registry, table: &str) -> usize {
    count(registry, &format!("SELECT count(*) FROM {table}"))
}

fn count(registry: &Registry, sql: &str) -> usize {
    let database = Connection::open(registry.database()).unwrap();
    usize::try_from(database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap()).unwrap()
}

#[tokio::test]
async fn a_push_that_ends_after_its_account_was_deleted_leaves_nothing_of_it() {
    for (subject, table) in [(None, "pushed_repository"), (Some(digest("subject")), "referrer")] {
        let pushes = Pushes::start().await;
        let (registry, network) = (&pushes.registry, &pushes.registry.network);
        registry.has_oauth();
        let mut person = Person::of(registry);
        person.sign_in().await;
        let subject = subject.map(|digest| json!({ "mediaType": INDEX, "digest": digest, "size": 7 }));
        let (manifest, digest) = pushes.new_index_with("subject", &json!(subject));
        pushes.says(NOTIFY, &json!({ "success": true, "operation": "push", "statsUpdated": true }));
        let target = format!("/v2/alice.test/app/manifests/{digest}");
        let push = || pushes.call("PUT", &target, &manifest);
        let kept = || [table, "notice"].map(|of| pushes.count(&format!("SELECT count(*) FROM {of}")));
        assert_eq!((push().await.status, kept()), (201, [1, 0]));
        network.set(PUT_RECORD, Reply::Held(json!({ "uri": URI, "cid": "c" }).to_string()));
        let before = network.requests_of(PUT_RECORD);
        let token = form_token(&person.open("/settings").await);
        let delete = async {
            until(|| network.requests_of(PUT_RECORD), before + 1).await;
            let page = person.send("/settings/delete", &[("token", &token), ("sure", "yes")]).await;
            assert_eq!((page.status, kept()), (303, [0, 0]), "{}", page.text());
            network.release();
        };
        tokio::join!(push(), delete);
        assert_eq!(kept(), [0, 0], "{table}");
        assert_eq!([rows(registry, "index_account"), rows(registry, "index_manifest")], [0, 0], "{table}");
    }
}

#[tokio::test]
async fn an_upload_that_begins_while_its_account_is_deleted_is_not_kept() {
    let pushes = Pushes::start().await;
    let (registry, network, uploads) = (&pushes.registry, &pushes.registry.network, format!("{BLOBS}uploads/"));
    registry.has_oauth();
    let mut person = Person::of(registry);
    person.sign_in().await;
    network.set(INITIATE, Reply::Held(json!({ "uploadId": "u1" }).to_string()));
    let token = form_token(&person.open("/settings").await);
    let delete = async {
        until(|| network.requests_of(INITIATE), 1).await;
        assert_eq!(person.send("/settings/delete", &[("token", &token), ("sure", "yes")]).await.status, 303);
        network.release();
    };
    let (begun, ()) = tokio::join!(pushes.call("POST", &uploads, ""), delete);
    assert_eq!((begun.status, rows(registry, "upload")), (401, 0), "{}", begun.text());
}
