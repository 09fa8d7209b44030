//! Scopes of every kind at the token endpoint, and exactly what the token says that comes back.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::registry::{Registry, refused, rights};

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];

/// What is asked for, as it stands in a query; what alice gets of it; what nobody gets.
const SCOPES: [(&str, &[&str], &[&str]); 33] = [
    ("repository:alice.test/app:pull", &["alice.test/app:pull"], &["alice.test/app:pull"]),
    ("repository:alice.test/app:pull,push", &["alice.test/app:pull,push"], &["alice.test/app:pull"]),
    ("repository:alice.test/app:push,pull", &["alice.test/app:pull,push"], &["alice.test/app:pull"]),
    ("repository:alice.test/app:delete", &["alice.test/app:delete"], &["alice.test/app:"]),
    ("repository:alice.test/app:*", &["alice.test/app:pull,push,delete"], &["alice.test/app:pull"]),
    ("repository:alice.test/app:", &["alice.test/app:"], &["alice.test/app:"]),
    ("repository:alice.test/app:pull,pull,PULL,admin,*x,%20", &["alice.test/app:pull"], &["alice.test/app:pull"]),
    ("repository:alice.test/team/a-b_c.d:pull", &["alice.test/team/a-b_c.d:pull"], &["alice.test/team/a-b_c.d:pull"]),
    ("repository:bob.test/app:pull,push,delete", &["bob.test/app:pull"], &["bob.test/app:pull"]),
    ("repository:bob.test/app:*", &["bob.test/app:pull"], &["bob.test/app:pull"]),
    ("repository(plugin):alice.test/app:pull", &["alice.test/app:pull"], &["alice.test/app:pull"]),
    ("repository%3Aalice.test%2Fapp%3Apull", &["alice.test/app:pull"], &["alice.test/app:pull"]),
    ("%20repository:alice.test/app:pull%09", &["alice.test/app:pull"], &["alice.test/app:pull"]),
    (
        "repository:alice.test/a:push+repository:bob.test/b:push",
        &["alice.test/a:push", "bob.test/b:"],
        &["alice.test/a:", "bob.test/b:"],
    ),
    (
        "repository:alice.test/a:pull&scope=repository:alice.test/a:push",
        &["alice.test/a:pull", "alice.test/a:push"],
        &["alice.test/a:pull", "alice.test/a:"],
    ),
    ("repository:alice.test/a:pull&scope=nonsense&scope=", &["alice.test/a:pull"], &["alice.test/a:pull"]),
    ("", &[], &[]),
    ("nonsense", &[], &[]),
    (":::", &[], &[]),
    ("registry:catalog:*", &[], &[]),
    ("repository:*:*", &[], &[]),
    ("repository:*:pull,push", &[], &[]),
    ("repository:alice.test/*:pull", &[], &[]),
    ("repository:alice.test:pull", &[], &[]),
    ("repository::pull", &[], &[]),
    ("repository:Alice.test/app:pull", &[], &[]),
    ("repository:alice.test/App:pull", &[], &[]),
    ("repository:alice.test/../bob.test/app:pull", &[], &[]),
    ("repository:localhost:5000/alice.test/app:pull", &[], &[]),
    ("Repository:alice.test/app:pull", &[], &[]),
    ("repositoryx:alice.test/app:pull", &[], &[]),
    ("repository:alice.test/app%00:pull", &[], &[]),
    ("repository:alice.test/%FF%FE:pull", &[], &[]),
];

#[tokio::test]
async fn each_scope_is_granted_as_far_as_it_goes_and_none_is_an_error() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.appPass");
    for (scope, of_alice, of_nobody) in SCOPES {
        assert_eq!(rights(&registry.token("alice.test:pass", &format!("&scope={scope}")).await), of_alice, "{scope}");
        let answer = registry.get(&format!("/auth/token?service=x&scope={scope}")).await;
        assert_eq!(rights(&answer), of_nobody, "{scope}");
        // The same in a form, as containerd sends it.
        let form = format!("grant_type=password&username=alice.test&password=pass&scope={scope}");
        let call = registry.call("POST", "/auth/token").header("content-type", "application/x-www-form-urlencoded");
        let answer = call.body(form).send().await;
        assert_eq!(rights(&answer), of_alice, "{scope}");
        let written: Vec<_> = of_alice.iter().map(|right| format!("repository:{right}")).collect();
        assert_eq!(answer.ok()["scope"], written.join(" "), "{scope}");
    }
}

#[tokio::test]
async fn a_token_has_its_claims_and_no_others() {
    let registry = Registry::start(NONE).await;
    registry.signs_in_with("com.atproto.appPass");
    let answer = registry.token("alice.test:pass", "&scope=repository:alice.test/app:push,pull").await;
    let token = answer.ok()["token"].as_str().unwrap().to_owned();
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let mut claims: Value = serde_json::from_slice(&claims).unwrap();
    let iat = claims["iat"].as_u64().unwrap();
    assert!(claims["sid"].take().is_i64());
    assert_eq!(
        claims,
        json!({
            "iss": "localhost:5000", "aud": "localhost:5000", "sub": registry.alice, "sid": null,
            "access": [{ "type": "repository", "name": "alice.test/app", "actions": ["pull", "push"] }],
            "iat": iat, "nbf": iat, "exp": iat + 300,
        })
    );
}

#[tokio::test]
async fn many_scopes_and_long_ones_are_bounded() {
    let registry = Registry::start(NONE).await;
    let many = "repository:a.test/b:pull+".repeat(300);
    let answer = registry.get(&format!("/auth/token?service=x&scope={many}")).await;
    assert_eq!(rights(&answer), ["a.test/b:pull"; 64]);
    let long = format!("/auth/token?service=x&scope=repository:a.test/{}:pull", "b".repeat(256));
    assert_eq!(rights(&registry.get(&long).await), [""; 0]);
    let longest = format!("/auth/token?service=x&scope=repository:a.test/{}:pull", "b".repeat(9000));
    refused(&registry.get(&longest).await, 414, "UNSUPPORTED");
    let call = registry.call("POST", "/auth/token").header("content-type", "application/x-www-form-urlencoded");
    let form = format!("grant_type=password&scope={}", "repository:a.test/b:pull+".repeat(3000));
    refused(&call.body(form).send().await, 413, "SIZE_INVALID");
}
