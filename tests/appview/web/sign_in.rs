//! Sign-ins: whoever answers wrongly gets nothing, and nothing is kept of it.

use crate::asked::Asked as _;
use serde_json::{Value, json};

use super::person::{HOST, PUSHED, Person, TOKEN, form_token, status};
use crate::oci::registry::Registry;
use crate::support::did_server::{Reply, document, plc};

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const SERVER: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn the_browser_goes_to_the_accounts_own_server_and_comes_back_signed_in() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let begun = person.begin().await;
    let place = begun.header("location").unwrap();
    assert!(place.starts_with(&format!("{}/oauth/authorize?client_id=http%3A%2F%2Flocalhost%3F", registry.issuer())));
    assert!(place.ends_with("&request_uri=urn%3Arequest"), "{place}");
    for (name, value) in [
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://127.0.0.1:5000/auth/oauth/callback"),
        ("login_hint", registry.alice.as_str()),
    ] {
        assert_eq!(registry.announced(name), value);
    }
    assert!(registry.announced("scope").starts_with("atproto repo:io.atcr.manifest "));
    let before = person.cookie.clone();
    registry.says(TOKEN, &registry.tokens());
    let ended = person.come_back(&[]).await;
    assert_eq!((ended.status, ended.header("location")), (303, Some("/settings")));
    assert_ne!(person.cookie, before, "a cookie from before is worth nothing");
    let cookie = ended.header("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Max-Age="), "{cookie}");
    assert!(person.open("/auth/device").await.text().contains("Devices of alice.test"));
    assert_eq!(person.come_back(&[]).await.status, 400, "it counts once");
    assert_eq!(registry.network.requests_of(TOKEN), 1);
}

#[tokio::test]
async fn what_comes_back_must_be_ours_of_this_browser_and_of_that_server() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    for (changes, status) in [
        (&[("iss", "")][..], 400),
        (&[("iss", "https://evil.example")], 400),
        (&[("state", "")], 400),
        (&[("state", "guess")], 400),
        (&[("error", "access_denied"), ("code", "")], 403),
        (&[("code", "")], 403),
        // A server that is not the one that was asked says nothing that counts.
        (&[("error", "access_denied"), ("iss", "https://evil.example")], 400),
    ] {
        let mut person = Person::of(&registry);
        assert_eq!(person.begin().await.status, 303);
        registry.says(TOKEN, &registry.tokens());
        let answer = person.come_back(changes).await;
        assert_eq!(answer.status, status, "{changes:?}");
        assert!(answer.header("set-cookie").is_none());
    }
    // Login CSRF: a stranger's way back in somebody's browser, with a cookie of its own or none.
    let mut stranger = Person::of(&registry);
    stranger.begin().await;
    registry.says(TOKEN, &registry.tokens());
    assert_eq!(Person::of(&registry).come_back(&[]).await.status, 400);
    assert_eq!(stranger.come_back(&[]).await.status, 400, "and it is used up");
    assert_eq!(registry.network.requests_of(TOKEN), 0);
}

#[tokio::test]
async fn tokens_that_do_not_fit_are_given_back_and_not_kept() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let changed = |name: &str, value: Value| {
        let mut tokens = registry.tokens();
        tokens[name] = value;
        tokens
    };
    let mut person = Person::of(&registry);
    let mut revoked = 0;
    for (name, value, status, is_said) in [
        ("sub", json!("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), 403, "another account"),
        ("scope", json!("atproto repo:io.atcr.manifest"), 403, "repo:io.atcr.tag"),
        ("scope", json!(""), 403, "repo:io.atcr.manifest"),
        ("token_type", json!("Bearer"), 502, "not that of the method"),
        ("refresh_token", Value::Null, 502, "not that of the method"),
        ("access_token", json!("a b"), 502, "not that of the method"),
        ("access_token", json!("x".repeat(9000)), 502, "not that of the method"),
    ] {
        assert_eq!(person.begin().await.status, 303);
        registry.says(TOKEN, &changed(name, value));
        let answer = person.come_back(&[]).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(answer.text().contains(is_said), "{name}: {}", answer.text());
        revoked += 1;
        assert_eq!(registry.network.requests_of("/oauth/revoke"), revoked, "{name}");
    }
    for reply in [
        Reply::Body("{".repeat(1000)),
        Reply::Body(format!("\"{}\"", "x".repeat(1_000_000))),
        Reply::Raw(
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .into(),
        ),
        Reply::Raw(
            "HTTP/1.1 400 X\r\nContent-Length: 25\r\nConnection: close\r\n\r\n{\"error\":\"invalid_grant\"}".into(),
        ),
    ] {
        assert_eq!(person.begin().await.status, 303);
        registry.network.set(TOKEN, reply);
        assert_eq!(person.come_back(&[]).await.status, 502);
    }
    assert!(person.open("/auth/device").await.text().contains("Your handle"), "nobody is signed in");
}

#[tokio::test]
async fn a_server_that_wants_ever_other_nonces_is_asked_twice() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let body = "{\"error\":\"use_dpop_nonce\"}";
    let again =
        format!("HTTP/1.1 400 X\r\nDPoP-Nonce: n\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    registry.network.set(PUSHED, Reply::Raw(again));
    assert_eq!(Person::of(&registry).begin().await.status, 502);
    assert_eq!(registry.network.requests_of(PUSHED), 2);
    let refused = "HTTP/1.1 400 X\r\nContent-Length: 26\r\nConnection: close\r\n\r\n{\"error\":\"invalid_client\"}";
    registry.network.set(PUSHED, Reply::Raw(refused.into()));
    let answer = Person::of(&registry).begin().await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("invalid_client"), "{}", answer.text());
}

#[tokio::test]
async fn a_pds_that_lies_about_its_server_is_none_to_sign_in_at() {
    let here =
        |registry: &Registry| json!({ "resource": registry.issuer(), "authorization_servers": [registry.issuer()] });
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (path, change) in [
        (RESOURCE, None),
        (RESOURCE, Some(("resource", json!("https://other.example")))),
        (RESOURCE, Some(("authorization_servers", json!([])))),
        (RESOURCE, Some(("authorization_servers", json!(["https://a.example", "https://b.example"])))),
        (RESOURCE, Some(("authorization_servers", json!(["http://127.0.0.1:1"])))),
        (RESOURCE, Some(("authorization_servers", json!(["https://169.254.169.254"])))),
        (RESOURCE, Some(("filling", json!("x".repeat(200_000))))),
        (SERVER, None),
        (SERVER, Some(("issuer", json!("https://other.example")))),
        (SERVER, Some(("authorization_endpoint", json!("javascript:alert(1)")))),
        (SERVER, Some(("token_endpoint", json!("http://10.0.0.1/token")))),
        (SERVER, Some(("code_challenge_methods_supported", json!([])))),
    ] {
        let registry = Registry::start(NONE).await;
        registry.has_oauth();
        match change.clone() {
            None => registry.network.set(path, Reply::Raw(redirect.into())),
            Some((name, value)) => {
                let mut said = if path == RESOURCE { here(&registry) } else { registry.server_metadata() };
                said[name] = value;
                registry.says(path, &said);
            }
        }
        let answer = Person::of(&registry).begin().await;
        assert_eq!(answer.status, 502, "{path} {:?}", change.map(|(name, _)| name));
        assert!(answer.header("location").is_none());
        assert_eq!(registry.network.requests_of(PUSHED), 0);
    }
}

#[tokio::test]
async fn who_names_a_pds_is_whoever_signs_in_there_if_it_is_the_accounts_own() {
    let registry = Registry::start(NONE).await;
    let mut person = Person::of(&registry);
    // A server of many PDSes is none itself.
    registry.has_oauth();
    registry.network.set(RESOURCE, status("404 Not Found", ""));
    assert_eq!(person.begin_as(&registry.issuer()).await.status, 303);
    assert_eq!(registry.network.requests_of(PUSHED), 1);
    registry.has_oauth();
    assert_eq!(person.begin_as(&registry.issuer().to_uppercase()).await.status, 303);
    assert_eq!(registry.announced("login_hint"), "", "nobody was named");
    registry.says(TOKEN, &registry.tokens());
    let ended = person.come_back(&[]).await;
    assert_eq!((ended.status, ended.header("location")), (303, Some("/settings")), "{}", ended.text());
    assert!(person.open("/auth/device").await.text().contains("Devices of alice.test"));
    // Its word alone is not enough: the account's own document says which server speaks for it.
    let elsewhere = plc(2);
    registry.network.publish(&elsewhere, &document(&elsewhere, 2));
    for (sub, is_said) in [
        (json!(elsewhere), "an account that is not its own"),
        (json!(plc(3)), "an account that is not its own"),
        (json!("alice.test"), "another account"),
    ] {
        let mut stranger = Person::of(&registry);
        assert_eq!(stranger.begin_as(&registry.issuer()).await.status, 303);
        let mut tokens = registry.tokens();
        tokens["sub"] = sub;
        registry.says(TOKEN, &tokens);
        let revoked = registry.network.requests_of("/oauth/revoke");
        let answer = stranger.come_back(&[]).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains(is_said), "{}", answer.text());
        assert_eq!(registry.network.requests_of("/oauth/revoke"), revoked + 1, "they were given back");
        assert!(stranger.open("/auth/device").await.text().contains("Your handle"), "nobody is signed in");
    }
    // A document that cannot be read says nothing of the server.
    registry.network.set(&format!("/{}", plc(4)), status("503 X", ""));
    let mut stranger = Person::of(&registry);
    assert_eq!(stranger.begin_as(&registry.issuer()).await.status, 303);
    let mut tokens = registry.tokens();
    tokens["sub"] = json!(plc(4));
    registry.says(TOKEN, &tokens);
    let revoked = registry.network.requests_of("/oauth/revoke");
    let answer = stranger.come_back(&[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text());
    assert!(!answer.text().contains("not its own"), "{}", answer.text());
    assert_eq!(registry.network.requests_of("/oauth/revoke"), revoked + 1, "they were given back");
    // As with a name, the browser that began it ends it.
    assert_eq!(person.begin_as(&registry.issuer()).await.status, 303);
    assert_eq!(Person::of(&registry).come_back(&[]).await.status, 400);
}

#[tokio::test]
async fn a_host_that_is_no_pds_is_said_and_one_on_a_private_network_is_not_asked() {
    let registry = Registry::start(NONE).await;
    let refused = Person::of(&registry).begin_as(&registry.issuer()).await;
    assert_eq!(refused.status, 400);
    for words in ["is no handle of anybody", "404", "the address of your PDS (https://pds.example.org)"] {
        assert!(refused.text().contains(words), "{words}: {}", refused.text());
    }
    let asked = registry.network.requests_of(RESOURCE);
    for address in [
        "https://127.0.0.1",
        "https://[::1]",
        "http://169.254.169.254",
        "http://pds.example",
        "https://user@pds.example",
        "https://pds.example:22",
        "https://pds.example/path",
        "file:///etc/passwd",
        "javascript://x",
        "://",
    ] {
        let answer = Person::of(&registry).begin_as(address).await;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{address}: {}", answer.text());
    }
    assert_eq!(registry.network.requests_of(RESOURCE), asked);
    // A name that nobody has, and that leads to no public address.
    let handle = "/xrpc/com.atproto.identity.resolveHandle?handle=nobody.test";
    registry.network.set(
        handle,
        status("400 Bad Request", "{\"error\":\"InvalidRequest\",\"message\":\"Unable to resolve handle\"}"),
    );
    let answer = Person::of(&registry).begin_as("nobody.test").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("nobody.test is no handle of anybody"), "{}", answer.text());
}

#[tokio::test]
async fn a_pds_on_a_private_network_is_not_asked() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    for endpoint in ["https://169.254.169.254", "http://127.0.0.1:22", "https://user@pds.example", "file:///etc/passwd"]
    {
        let bob = plc(2);
        let mut published = document(&bob, 2);
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint }]);
        registry.network.publish(&bob, &published);
        let mut person = Person::of(&registry);
        let token = person.form_token().await;
        let answer = person.send("/auth/oauth/login", &[("token", &token), ("handle", bob.as_str())]).await;
        assert_eq!(answer.status, 400, "{endpoint}: {}", answer.text());
    }
    assert_eq!(registry.network.requests_of(RESOURCE), 0);
}

#[tokio::test]
async fn a_page_that_cannot_be_shown_at_present_says_when_it_may() {
    let registry = Registry::start(NONE).await;
    let handle = "/xrpc/com.atproto.identity.resolveHandle?handle=away.test";
    registry.network.set(handle, Reply::Raw("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".into()));
    let mut person = Person::of(&registry);
    let token = person.form_token().await;
    let refused = person.send("/auth/oauth/login", &[("token", &token), ("handle", "away.test")]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{}", refused.text());
    assert!(refused.text().contains("<html"), "a page for people");
    let wrong = person.send("/auth/oauth/login", &[("token", &token), ("handle", "no handle")]).await;
    assert_eq!((wrong.status, wrong.header("retry-after")), (400, None));
}

#[tokio::test]
async fn sign_ins_in_two_tabs_end_both() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let late = person.open("/auth/oauth/login?next=%2Falice.test").await;
    assert_eq!(person.begin().await.status, 303);
    let first = registry.announced("state");
    assert_eq!(person.begin().await.status, 303);
    registry.says(TOKEN, &registry.tokens());
    let (before, mut others) = (person.cookie.clone(), Person::of(&registry));
    for state in [registry.announced("state"), first] {
        let ended = person.come_back(&[("state", &state)]).await;
        assert_eq!((ended.status, ended.header("location")), (303, Some("/settings")), "{}", ended.text());
    }
    assert!(person.open("/auth/device").await.text().contains("Devices of alice.test"));
    // A third one showed its form all the while: that is out of date, and shown anew with what was typed.
    let token = form_token(&late);
    let send = async |person: &Person<'_>, site: &str, handle: &str| {
        let call = registry.call("POST", "/auth/oauth/login").header("host", HOST).header("cookie", &person.cookie);
        let call = call.header("content-type", "application/x-www-form-urlencoded").header("sec-fetch-site", site);
        call.body(format!("token={token}&next=%2Falice.test&handle={handle}")).send().await
    };
    let again = send(&person, "same-origin", "alice.test").await;
    assert_eq!(again.status, 403);
    for shown in ["too old: send it again", "value=\"alice.test\"", "value=\"/alice.test\""] {
        assert!(again.text().contains(shown), "{shown}: {}", again.text());
    }
    assert_ne!(form_token(&again), token);
    // Another site's form gets no form, and no cookie in place of the one that the browser keeps from it.
    others.cookie = String::new();
    for site in ["cross-site", "same-site"] {
        let refused = send(&others, site, "evil.test").await;
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None));
        assert!(!refused.text().contains("evil.test"), "{}", refused.text());
    }
    // The cookie from before is worth nothing, also for a sign-in that it began.
    person.begin().await;
    let state = registry.announced("state");
    registry.says(TOKEN, &registry.tokens());
    others.cookie = before;
    assert_eq!(others.come_back(&[("state", &state)]).await.status, 400);
}

#[tokio::test]
async fn a_sign_in_of_an_account_that_is_not_active_names_its_state() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let repo_status =
        format!("/xrpc/com.atproto.sync.getRepoStatus?did={}", registry.alice.as_str().replace(':', "%3A"));
    let refused = status("400 No", "{\"error\":\"invalid_grant\",\"error_description\":\"no\"}");
    for (state, said) in [("deactivated", "is deactivated"), ("takendown", "was taken down"), ("", "was refused at")] {
        let answer = json!({ "active": state.is_empty(), "status": state });
        registry.says(&repo_status, &answer);
        let mut person = Person::of(&registry);
        assert_eq!(person.begin().await.status, 303);
        let no = person.come_back(&[("error", "access_denied"), ("code", "")]).await;
        assert!(no.status == 403 && no.text().contains(said), "{state}: {} {}", no.status, no.text());
    }
    registry.says(&repo_status, &json!({ "active": false, "status": "deactivated" }));
    // Of the code, and of the first request.
    let mut person = Person::of(&registry);
    assert_eq!(person.begin().await.status, 303);
    registry.network.set(TOKEN, refused.clone());
    let no = person.come_back(&[]).await;
    assert!(no.status == 403 && no.text().contains("is deactivated"), "{} {}", no.status, no.text());
    registry.network.set(PUSHED, refused);
    let no = person.begin().await;
    assert!(no.status == 403 && no.text().contains("is deactivated"), "{} {}", no.status, no.text());
}
