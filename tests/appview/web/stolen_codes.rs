//! Codes of devices in the hands of others: what is good for nothing, and how often somebody may guess.

use crate::asked::Asked as _;
use rusqlite::Connection;

use super::person::{HOST, Person, form_token};
use crate::oci::registry::Registry;
use crate::support::did_server::{document, plc};
use crate::support::http::Answer;
use serde_json::json;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:device_code";

/// A device that is called `laptop`: what it asks with, and what its person compares.
async fn ask(registry: &Registry) -> (String, String) {
    let asked = registry.call("POST", "/auth/device/code").body("client_id=laptop".to_owned()).send().await.ok();
    let text = |name: &str| asked[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(registry: &Registry, code: &str, more: &str) -> Answer {
    let call = registry.call("POST", "/auth/device/token").body(format!("{GRANT}&device_code={code}{more}"));
    call.send().await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.field("error"))
}

/// As if so many seconds had passed since a device asked.
fn pass(registry: &Registry, seconds: u64) {
    let sql = "UPDATE device_request SET polled_us = max(0, polled_us - ?1), expires_us = expires_us - ?1";
    Connection::open(registry.database()).unwrap().execute(sql, [(seconds * 1_000_000).cast_signed()]).unwrap();
}

async fn decide(person: &mut Person<'_>, user_code: &str, decision: &str) -> Answer {
    let page = person.open(&format!("/auth/device?user_code={user_code}")).await;
    let fields = [("token", &*form_token(&page)), ("user_code", user_code), ("decision", decision)];
    person.send("/auth/device", &fields).await
}

#[tokio::test]
async fn a_code_is_good_once_for_the_program_that_asked_and_in_its_time() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    for (case, more, decision, seconds, first, second) in [
        ("allowed", "", "allow", 10, (200, ""), (400, "expired_token")),
        ("allowed, with its name", "&client_id=laptop", "allow", 10, (200, ""), (400, "expired_token")),
        ("allowed, by another", "&client_id=other", "allow", 10, (400, "invalid_grant"), (400, "invalid_grant")),
        ("refused", "", "refuse", 10, (400, "access_denied"), (400, "expired_token")),
        ("too late", "", "allow", 901, (400, "expired_token"), (400, "expired_token")),
        ("not decided", "", "", 10, (400, "authorization_pending"), (400, "slow_down")),
        ("not decided, by another", "&client_id=other", "", 10, (400, "invalid_grant"), (400, "invalid_grant")),
    ] {
        let (code, user_code) = ask(&registry).await;
        if !decision.is_empty() {
            assert_eq!(decide(&mut person, &user_code, decision).await.status, 200, "{case}");
        }
        pass(&registry, seconds);
        let outcome = |answer: &Answer| (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned());
        let answer = poll(&registry, &code, more).await;
        assert_eq!(outcome(&answer), (first.0, first.1.into()), "{case}");
        assert_eq!(outcome(&poll(&registry, &code, more).await), (second.0, second.1.into()), "{case}");
        if !decision.is_empty() {
            let again = decide(&mut person, &user_code, "allow").await.text().contains("does not wait any more");
            assert!(again || case.contains("another"), "{case}: it cannot be authorized again");
        }
        Connection::open(registry.database()).unwrap().execute("DELETE FROM device_request", []).unwrap();
    }
    // What a program is made to guess at.
    for code in ["", "guess", &"A".repeat(43), &"A".repeat(4000), "%00", "../x"] {
        let refused = poll(&registry, code, "").await;
        assert_eq!(refused.status, 400, "{code:.20}");
        assert!(matches!(&*refused.field("error"), "expired_token" | "invalid_request"), "{code:.20}");
    }
}

#[tokio::test]
async fn who_asks_too_often_waits_longer_each_time() {
    let registry = Registry::start(NONE).await;
    let (code, _) = ask(&registry).await;
    assert_eq!(error(&poll(&registry, &code, "").await), (400, "authorization_pending".into()));
    // Five seconds; each question that comes too soon adds five. The questions themselves may take some, too.
    for (seconds, said) in [
        (1, "slow_down"),
        (6, "slow_down"),
        (11, "slow_down"),
        (20, "authorization_pending"),
        (16, "slow_down"),
        (25, "authorization_pending"),
    ] {
        pass(&registry, seconds);
        assert_eq!(error(&poll(&registry, &code, "").await), (400, said.into()), "{seconds} s");
    }
}

#[tokio::test]
async fn who_looked_at_a_code_is_who_lets_it_in() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let bob = plc(2);
    let mut published = document(&bob, 2);
    let here = registry.issuer();
    published["service"] =
        json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": here }]);
    registry.network.publish(&bob, &published);
    let (code, user_code) = ask(&registry).await;
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let page = form_token(&person.open(&format!("/auth/device?user_code={user_code}")).await);
    let as_alice = person.cookie.clone();
    // Somebody else signs in in the same browser, with the page still open.
    assert_eq!(person.begin_as(bob.as_str()).await.status, 303);
    let mut tokens = registry.tokens();
    tokens["sub"] = json!(bob);
    registry.says(super::person::TOKEN, &tokens);
    let revoked = registry.network.requests_of("/oauth/revoke");
    assert_eq!(person.come_back(&[]).await.status, 303);
    assert_eq!(registry.network.requests_of("/oauth/revoke"), revoked + 1, "nobody uses alice's session any more");
    let fields = |token| [("token", token), ("user_code", user_code.as_str()), ("decision", "allow")];
    assert_eq!(person.send("/auth/device", &fields(&page)).await.status, 403, "the page was another account's");
    let others = form_token(&person.open("/auth/device").await);
    person.cookie = as_alice;
    assert!(person.open("/auth/device").await.text().contains("Your handle"), "the session of before has ended");
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let page = form_token(&person.open("/auth/device").await);
    for token in ["", &others] {
        assert_eq!(person.send("/auth/device", &fields(token)).await.status, 403);
    }
    for target in [
        format!("/auth/device?user_code={user_code}&decision=allow"),
        format!("/auth/device?user_code={user_code}&decision=allow&token={page}"),
    ] {
        assert!(person.open(&target).await.text().contains("Does this device belong to you?"), "a link lets none in");
        let call = registry.call("POST", &target).header("host", HOST).header("cookie", &person.cookie);
        assert!(matches!(call.send().await.status, 400 | 403), "nor a form whose fields stand in its address");
    }
    pass(&registry, 10);
    assert_eq!(error(&poll(&registry, &code, "").await), (400, "authorization_pending".into()));
}

#[tokio::test]
async fn a_code_is_read_as_people_write_it_and_no_look_alike_is_it() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let (_, user_code) = ask(&registry).await;
    let plain = user_code.replace('-', "");
    let first = plain.chars().next().unwrap();
    let wide = char::from_u32(u32::from(first) - u32::from('A') + 0xff21).unwrap();
    let spaced: String = plain.chars().flat_map(|letter| [letter, ' ']).collect();
    for typed in [user_code.to_lowercase(), plain.clone(), format!(" {spaced}"), format!("--{plain}--")] {
        let typed: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
        let page = person.open(&format!("/auth/device?user_code={typed}")).await;
        assert!(page.text().contains("Does this device belong to you?"), "{typed}");
    }
    for typed in [
        plain.replacen(first, &wide.to_string(), 1),
        plain.replacen(first, "\u{421}", 1),
        plain.replacen(first, "0", 1),
        format!("{plain}\u{200b}"),
        format!("\u{202e}{plain}"),
        format!("{plain}B"),
        format!("{plain}%"),
    ] {
        let sent: String = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect();
        let page = person.open(&format!("/auth/device?user_code={sent}")).await;
        assert!(page.text().contains("No device waits for the code"), "{typed}");
        assert!(!page.text().contains('\u{202e}'), "{typed}");
    }
}

#[tokio::test]
async fn guesses_are_counted_for_the_account_in_all_its_browsers_and_at_once() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    one.sign_in().await;
    other.sign_in().await;
    let (_, user_code) = ask(&registry).await;
    let guess = |cookie: &str| {
        let call = registry.call("GET", "/auth/device?user_code=BCDF-GHJK").header("host", HOST);
        call.header("cookie", cookie).send()
    };
    // Six at once: more of one address wait for their turn.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let calls = (0..6).map(|number| guess(if number % 2 == 0 { &one.cookie } else { &other.cookie }));
        statuses.extend(futures_util::future::join_all(calls).await.into_iter().map(|answer| answer.status));
    }
    let (looked, stopped): (Vec<u16>, Vec<u16>) = statuses.iter().copied().partition(|status| *status == 200);
    assert_eq!((looked.len(), stopped.len()), (10, 20), "{statuses:?}");
    assert!(stopped.iter().all(|status| *status == 429));
    for person in [&mut one, &mut other] {
        let refused = person.open(&format!("/auth/device?user_code={user_code}")).await;
        assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    }
    other.sign_in().await;
    assert_eq!(guess(&other.cookie).await.status, 429, "a new session is no new account");
    assert_eq!(other.open("/auth/device").await.status, 200, "the page of devices is there all the same");
}
