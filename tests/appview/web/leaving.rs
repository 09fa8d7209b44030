//! Signing out: the account's own server ends the session once nothing here uses it, or the page says that it does not.

use std::time::Duration;

use rusqlite::Connection;

use super::person::{Person, TOKEN, form_token, status};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
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
        assert!(page.text().contains("What was held of you is deleted"), "{}", page.text());
        assert!(page.text().contains("could not be told to end it"), "{}", page.text());
        assert!(person.open("/settings").await.text().contains("action=\"/auth/oauth/login\""), "deleted it is");
    }
}
