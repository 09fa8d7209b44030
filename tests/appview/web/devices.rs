//! Devices: who waits, who is let in, and what their secrets are good for.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::person::{Person, TOKEN, form_token, status};
use crate::asked::Asked as _;
use crate::oci::registry::{Registry, refused, rights};
use crate::support::did_server::Reply;
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:device_code";
const BOTH: &str = "&scope=repository:alice.test/app:pull,push";

async fn ask(registry: &Registry) -> (String, String) {
    let asked = registry.call("POST", "/auth/device/code").body("client_id=laptop".to_owned()).send().await.ok();
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    assert_eq!((asked["interval"].as_u64(), asked["expires_in"].as_u64()), (Some(5), Some(900)));
    assert!(text("verification_uri_complete").ends_with(&format!("/auth/device?user_code={}", text("user_code"))));
    (text("device_code"), text("user_code"))
}

async fn poll(registry: &Registry, code: &str) -> Answer {
    registry.call("POST", "/auth/device/token").body(format!("{GRANT}&device_code={code}")).send().await
}

/// A device of alice's.
async fn secret(person: &mut Person<'_>) -> String {
    let (device_code, user_code) = ask(person.registry).await;
    let page = person.open(&format!("/auth/device?user_code={user_code}")).await;
    let fields = [("token", &*form_token(&page)), ("user_code", &user_code), ("decision", "allow")];
    assert!(person.send("/auth/device", &fields).await.text().contains("is authorized"));
    poll(person.registry, &device_code).await.ok()["device_secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_secret_stands_for_the_account_until_it_is_taken_back() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let secret = secret(&mut person).await;
    let answer = registry.token(&format!("anybody:{secret}"), &format!("{BOTH}&offline_token=true")).await;
    assert_eq!(rights(&answer), ["alice.test/app:pull,push"]);
    let refresh = answer.ok()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(rights(&registry.token(&format!(":{refresh}"), BOTH).await), ["alice.test/app:pull,push"]);
    assert_eq!(registry.network.requests_of(TOKEN), 1, "the session goes on as it is");
    refused(&registry.token(&format!("alice.test:{secret}x"), BOTH).await, 401, "UNAUTHORIZED");
    let page = person.open("/auth/device").await;
    assert!(page.text().contains("laptop") && !page.text().contains(&secret));
    let (_, rest) = page.text().split_once("name=\"device\" value=\"").unwrap();
    let device = rest.split('"').next().unwrap().to_owned();
    let revoked = person.send("/auth/device/revoke", &[("token", &form_token(&page)), ("device", &device)]).await;
    assert_eq!(revoked.status, 303);
    for credentials in [format!("alice.test:{secret}"), format!(":{refresh}")] {
        let message = refused(&registry.token(&credentials, BOTH).await, 401, "UNAUTHORIZED");
        assert!(message.contains("revoked"), "{message}");
    }
}

#[tokio::test]
async fn an_account_with_as_many_devices_as_it_may_have_is_told_to_take_one_back() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 200)
                INSERT INTO device (account, secret, name, created_us, used_us)
                SELECT ?1, cast(printf('%032d', n) AS BLOB), 'laptop', 1, 0 FROM n";
    Connection::open(registry.database()).unwrap().execute(rows, [registry.alice.as_str()]).unwrap();
    let (device_code, user_code) = ask(&registry).await;
    let page = person.open(&format!("/auth/device?user_code={user_code}")).await;
    let fields = [("token", &*form_token(&page)), ("user_code", &user_code), ("decision", "allow")];
    let full = person.send("/auth/device", &fields).await;
    assert_eq!((full.status, full.header("retry-after")), (400, None), "waiting does not help: {}", full.text());
    assert!(full.text().contains("take one back first"), "{}", full.text());
    assert_eq!(poll(&registry, &device_code).await.json()["error"], "authorization_pending");
}

#[tokio::test]
async fn a_disk_that_takes_no_writes_keeps_no_device_out_and_costs_no_session() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let secret = secret(&mut person).await;
    let database = Connection::open(registry.database()).unwrap();
    // A day passes.
    let long_ago = "UPDATE pds_session SET proven_us = 1; UPDATE device SET used_us = 1;";
    let full = |table| {
        format!("CREATE TRIGGER {table}_full BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END;")
    };
    database.execute_batch(&[long_ago, &full("device"), &full("pds_session")].concat()).unwrap();
    let sign_in = || async { registry.token(&format!("alice.test:{secret}"), BOTH).await };
    assert_eq!(rights(&sign_in().await), ["alice.test/app:pull,push"]);
    // Its access token has ended: the next one could not be stored.
    registry.network.set("/xrpc/com.atproto.server.getSession?", status("401 X", "{\"error\":\"invalid_token\"}"));
    let before = registry.network.requests_of(TOKEN);
    refused(&sign_in().await, 500, "UNKNOWN");
    assert_eq!(registry.network.requests_of(TOKEN), before, "the refresh token is not used up");
    database.execute_batch("DROP TRIGGER device_full; DROP TRIGGER pds_session_full").unwrap();
    assert_eq!(rights(&sign_in().await), ["alice.test/app:pull,push"]);
    assert_eq!(registry.network.requests_of(TOKEN), before + 1);
}

#[tokio::test]
async fn a_device_gives_its_own_secret_back() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let (lost, kept) = (secret(&mut person).await, secret(&mut person).await);
    let end = |body: String| registry.call("POST", "/auth/device/end").body(body).send();
    for token in [&lost, &lost, "atcr_device_guess", &kept[..kept.len() - 1]] {
        assert_eq!(end(format!("token={token}")).await.status, 200, "nobody learns which secrets there are");
    }
    let message = refused(&registry.token(&format!("alice.test:{lost}"), BOTH).await, 401, "UNAUTHORIZED");
    assert!(message.contains("sign in again"), "{message}");
    assert_eq!(rights(&registry.token(&format!("alice.test:{kept}"), BOTH).await), ["alice.test/app:pull,push"]);
    for body in [String::new(), format!("token={kept}&token={kept}"), "x".repeat(20_000)] {
        assert_eq!(end(body).await.status, 400);
    }
    assert_eq!(registry.call("GET", &format!("/auth/device/end?token={kept}")).send().await.status, 405);
}

#[tokio::test]
async fn a_hundred_tokens_by_a_password_are_one_sign_in_at_the_pds() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.appPass");
    let calls = (0..100).map(|_| registry.token("alice.test:pass", BOTH));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(rights(&answer), ["alice.test/app:pull,push"]);
    }
    assert_eq!(registry.network.requests_of("/xrpc/com.atproto.server.createSession"), 1);
}

#[tokio::test]
async fn a_device_waits_and_asks_slowly() {
    let registry = Registry::start(NONE).await;
    let (code, _) = ask(&registry).await;
    let error = |answer: Answer| (answer.status, answer.json()["error"].as_str().unwrap().to_owned());
    assert_eq!(error(poll(&registry, &code).await), (400, "authorization_pending".into()));
    assert_eq!(error(poll(&registry, &code).await), (400, "slow_down".into()));
    assert_eq!(error(poll(&registry, "guess").await), (400, "expired_token".into()));
    let call = |body: &str| registry.call("POST", "/auth/device/token").body(body.to_owned()).send();
    assert_eq!(error(call("grant_type=password").await), (400, "unsupported_grant_type".into()));
    assert_eq!(error(call(GRANT).await), (400, "invalid_request".into()));
    assert_eq!(
        error(call(&format!("{GRANT}&device_code={code}&device_code={code}")).await),
        (400, "invalid_request".into())
    );
    assert_eq!(call(&"x".repeat(20_000)).await.status, 400);
    for _ in 0..19 {
        ask(&registry).await;
    }
    let more = registry.call("POST", "/auth/device/code").send().await;
    assert_eq!(more.header("retry-after"), Some("60"));
    let said = more.json()["error_description"].as_str().unwrap().to_owned();
    assert_eq!(said, "too many devices wait to be let in: try again in some minutes");
    assert_eq!(error(more), (429, "slow_down".into()), "of one address only so many wait");
}

#[tokio::test]
async fn a_decision_that_is_sent_twice_is_one() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    for (decision, said, other) in [("allow", "is authorized", "refuse"), ("refuse", "was denied", "allow")] {
        let (_, user_code) = ask(&registry).await;
        let token = form_token(&person.open(&format!("/auth/device?user_code={user_code}")).await);
        let fields = [("token", &*token), ("user_code", &user_code), ("decision", decision)];
        for _ in 0..2 {
            let answer = person.send("/auth/device", &fields).await;
            assert!(answer.text().contains(said), "{decision}: {}", answer.text());
        }
        let fields = [("token", &*token), ("user_code", &user_code), ("decision", other)];
        assert!(person.send("/auth/device", &fields).await.text().contains("does not wait any more"), "{other}");
    }
}

#[tokio::test]
async fn who_guesses_at_codes_is_stopped_and_nobody_learns_of_them() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (device_code, user_code) = ask(&registry).await;
    let mut person = Person::of(&registry);
    for code in [user_code.as_str(), "BCDF-GHJK"] {
        let page = person.open(&format!("/auth/device?user_code={code}")).await;
        assert!(page.text().contains("Your handle") && !page.text().contains("laptop"), "who is nobody sees no device");
    }
    let token = person.form_token().await;
    let fields = [("token", &*token), ("user_code", &user_code), ("decision", "allow")];
    assert_eq!(person.send("/auth/device", &fields).await.status, 403, "and lets none in");
    person.sign_in().await;
    let token = form_token(&person.open("/auth/device").await);
    let fields = [("token", &*token), ("user_code", &user_code), ("decision", "maybe")];
    assert_eq!(person.send("/auth/device", &fields).await.status, 400);
    for _ in 0..5 {
        assert_eq!(person.open("/auth/device?user_code=BCDF-GHJK").await.status, 200);
        let fields = [("token", &*token), ("user_code", "BCDF-GHJK"), ("decision", "allow")];
        assert!(person.send("/auth/device", &fields).await.text().contains("does not wait any more"));
    }
    let refused = person.open(&format!("/auth/device?user_code={user_code}")).await;
    let wait_s: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!((refused.status, (850..=901).contains(&wait_s)), (429, true), "{wait_s} s");
    let fields = [("token", &*token), ("user_code", &user_code), ("decision", "allow")];
    let refused = person.send("/auth/device", &fields).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    assert_eq!(poll(&registry, &device_code).await.json()["error"], "authorization_pending");
}

#[tokio::test]
async fn tokens_are_kept_also_when_whoever_caused_their_renewal_has_gone() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let secret = secret(&mut person).await;
    registry.has_hold("401 X", "{\"error\":\"invalid_token\"}");
    let token = registry.token(&format!("alice.test:{secret}"), BOTH).await.ok()["token"].as_str().unwrap().to_owned();
    let push = || registry.call("POST", "/v2/alice.test/app/blobs/uploads/").bearer(&token).send();
    let mut tokens = registry.tokens();
    (tokens["access_token"], tokens["refresh_token"]) = ("second".into(), "second-refresh".into());
    registry.network.set(TOKEN, Reply::Held(tokens.to_string()));
    // The client goes away while the server has the refresh token, and has not answered.
    let has_asked = async {
        while registry.network.requests_of(TOKEN) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = push() => panic!("{} {}", answer.status, answer.text()),
        () = has_asked => {}
    }
    registry.network.release();
    // One that begins before the new tokens are on disk gets them without asking for others.
    while registry.network.requests_of(TOKEN) < 3 {
        assert_eq!(push().await.status, 403, "the PDS takes no token");
    }
    let asked = registry.network.last_body(TOKEN);
    let refresh = url::form_urlencoded::parse(&asked).find(|(name, _)| name == "refresh_token").unwrap().1;
    assert_eq!(refresh, "second-refresh", "each refresh token is used once");
}

#[tokio::test]
async fn who_asks_for_a_secret_does_not_wait_for_a_handle_that_nobody_answers_for() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    assert_eq!(person.begin_as(registry.alice.as_str()).await.status, 303);
    registry.says(TOKEN, &registry.tokens());
    assert_eq!(person.come_back(&[]).await.status, 303);
    let token = person.form_token().await;
    let (device_code, user_code) = ask(&registry).await;
    let handle = "/xrpc/com.atproto.identity.resolveHandle?handle=alice.test";
    registry.network.set(handle, Reply::Stall("HTTP/1.1 200 OK\r\n".into()));
    let fields = [("token", &*token), ("user_code", &user_code), ("decision", "allow")];
    let page = tokio::time::timeout(Duration::from_secs(4), person.send("/auth/device", &fields)).await;
    assert!(page.expect("the page comes").text().contains("is authorized"));
    let secret = tokio::time::timeout(Duration::from_secs(4), poll(&registry, &device_code)).await;
    let secret = secret.expect("the secret comes: it is told once").ok();
    assert_eq!((&secret["did"], &secret["handle"]), (&json!(registry.alice), &json!(registry.alice)));
}

#[tokio::test]
async fn tokens_of_a_pds_that_are_none_are_neither_kept_nor_used() {
    let registry = Registry::start(NONE).await;
    let session = |access: &str, refresh: &str| {
        let session = json!({ "did": registry.alice, "accessJwt": access, "refreshJwt": refresh });
        registry.says("/xrpc/com.atproto.server.createSession", &session);
    };
    let long = "x".repeat(9000);
    for (number, (access, refresh)) in [(&*long, "r"), ("a", &*long), ("a b", "r"), ("", "r")].into_iter().enumerate() {
        session(access, refresh);
        let answer = registry.token(&format!("alice.test:pass{number}"), BOTH).await;
        refused(&answer, 503, "UNAVAILABLE");
    }
    let database = Connection::open(registry.database()).unwrap();
    let kept: u32 = database.query_row("SELECT count(*) FROM pds_session", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0);
    registry.signs_in_with("com.atproto.appPass");
    let token = registry.token("alice.test:pass", BOTH).await.ok()["token"].as_str().unwrap().to_owned();
    registry.has_hold("200 OK", &json!({ "token": long }).to_string());
    let asked = "/xrpc/com.atproto.server.getServiceAuth?aud=did%3Aweb%3Ahold.example&lxm=com.atproto.repo.getRecord";
    for times in 1..=2 {
        let push = registry.call("POST", "/v2/alice.test/app/blobs/uploads/").bearer(&token).send().await;
        assert_eq!(push.status, 503, "{}", push.text());
        assert_eq!(registry.network.requests_of(asked), times, "it is not kept");
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_said_and_a_server_that_is_away_ends_none() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let secret = secret(&mut person).await;
    assert_eq!(registry.token(&format!("alice.test:{secret}"), BOTH).await.status, 200);
    // The access token has ended, and the session must be renewed before anything goes to a hold.
    registry.has_hold("401 X", "{\"error\":\"invalid_token\"}");
    for (reply, code) in [
        (status("503 X", ""), 503),
        (status("400 X", "{\"error\":\"invalid_client\"}"), 503),
        (status("400 X", "{\"error\":\"invalid_grant\"}"), 401),
    ] {
        registry.network.set(TOKEN, reply);
        let token =
            registry.token(&format!("alice.test:{secret}"), BOTH).await.ok()["token"].as_str().unwrap().to_owned();
        let push = registry.call("POST", "/v2/alice.test/app/blobs/uploads/").bearer(&token).send().await;
        assert_eq!(push.status, code, "{}", push.text());
    }
    let message = refused(&registry.token(&format!("alice.test:{secret}"), BOTH).await, 401, "UNAUTHORIZED");
    assert!(message.contains("sign in again at http://127.0.0.1:5000/auth/oauth/login"), "{message}");
    person.sign_in().await;
    assert_eq!(
        registry.token(&format!("alice.test:{secret}"), BOTH).await.status,
        200,
        "one sign-in heals every device"
    );
}
