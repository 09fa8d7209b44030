//! Forms and pages: no other site sends, frames, scripts or leads on.

use crate::asked::Asked as _;
use serde_json::json;

use super::person::{HOST, PUSHED, Person, form_token};
use crate::oci::registry::Registry;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];

#[tokio::test]
async fn a_form_counts_that_was_filled_in_on_our_page_in_this_browser() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut person, mut other) = (Person::of(&registry), Person::of(&registry));
    let (mine, others) = (person.form_token().await, other.form_token().await);
    for token in ["", "x", &others] {
        let answer = person.send("/auth/oauth/login", &[("token", token), ("handle", "alice.test")]).await;
        assert_eq!(answer.status, 403, "{token}");
    }
    let twice = [("token", mine.as_str()), ("token", mine.as_str()), ("handle", "alice.test")];
    assert_eq!(person.send("/auth/oauth/login", &twice).await.status, 403);
    for (header, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let call = registry.call("POST", "/auth/oauth/login").header("host", HOST).header("cookie", &person.cookie);
        let call = call.header(header, value).body(format!("token={mine}&handle=alice.test"));
        assert_eq!(call.send().await.status, 403, "{header}: {value}");
    }
    let mut nobody = Person::of(&registry);
    assert_eq!(nobody.send("/auth/oauth/login", &[("token", &mine), ("handle", "alice.test")]).await.status, 403);
    assert_eq!(registry.network.requests_of(PUSHED), 0, "no link and no form of a stranger begins anything");
    assert_eq!(
        registry.call("GET", "/auth/oauth/login?handle=alice.test").header("host", HOST).send().await.status,
        200
    );
    assert_eq!(registry.network.requests_of(PUSHED), 0);
    let long = person.send("/auth/oauth/login", &[("token", &mine), ("handle", &"x".repeat(20_000))]).await;
    assert_eq!(long.status, 400);
    for handle in ["", "alice", "did:plc:short", "javascript:alert(1)"] {
        let answer = person.send("/auth/oauth/login", &[("token", &mine), ("handle", handle)]).await;
        assert_eq!(answer.status, 400, "{handle}");
    }
}

#[tokio::test]
async fn pages_are_framed_by_nobody_and_what_others_write_is_text() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let page = person
        .open("/auth/oauth/login?handle=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&return=https://evil.example")
        .await;
    assert!(!page.text().contains("<script>") && !page.text().contains("evil.example"), "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.ends_with("frame-ancestors 'none'"));
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"));
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    person.sign_in().await;
    let asked =
        registry.call("POST", "/auth/device/code").body("client_id=%3Cimg+src%3Dx%3E%0A%00".to_owned()).send().await;
    let code = asked.ok()["user_code"].as_str().unwrap().to_owned();
    let page = person.open(&format!("/auth/device?user_code={code}")).await;
    assert!(page.text().contains("img src=x") && !page.text().contains("<img"), "{}", page.text());
    let wrong = person.open("/auth/device?user_code=%3Cb%3E").await;
    assert!(wrong.text().contains("No device waits") && !wrong.text().contains("<b>"));
}

#[tokio::test]
async fn on_ones_own_machine_browsers_come_by_one_address() {
    let registry = Registry::start(NONE).await;
    let answer = registry.call("GET", "/auth/device?user_code=BCDF-GHJK").header("host", "localhost:5000").send().await;
    let place = "http://127.0.0.1:5000/auth/device?user_code=BCDF-GHJK";
    assert_eq!((answer.status, answer.header("location")), (303, Some(place)));
    for path in ["/client-metadata.json", "/oauth/jwks.json"] {
        assert_eq!(registry.get(path).await.status, 404, "{path}");
    }
    for (method, path) in [
        ("POST", "/client-metadata.json"),
        ("DELETE", "/auth/device"),
        ("GET", "/auth/device/code"),
        ("POST", "/auth/oauth/callback"),
    ] {
        assert_eq!(registry.call(method, path).header("host", HOST).send().await.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_public_registry_says_who_it_is_and_takes_its_cookie_over_tls_only() {
    let registry = Registry::start([("ATCR_BASE_URL", "https://registry.example.org")]).await;
    let metadata = registry.get("/client-metadata.json").await.ok();
    assert_eq!(metadata["client_id"], "https://registry.example.org/client-metadata.json");
    assert_eq!(metadata["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(metadata["dpop_bound_access_tokens"], true);
    let key = &registry.get("/oauth/jwks.json").await.ok()["keys"][0];
    assert_eq!((&key["crv"], &key["alg"], &key["d"]), (&json!("P-256"), &json!("ES256"), &json!(null)));
    let page = registry.get("/auth/oauth/login").await;
    let cookie = page.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-atcr=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    assert_eq!(form_token(&page).len(), 43);
}

#[tokio::test]
async fn without_pages_nobody_signs_in_by_a_browser() {
    let registry = Registry::start([("ATCR_UI_ENABLED", "false")]).await;
    for path in ["/auth/oauth/login", "/auth/device"] {
        assert_eq!(registry.call("GET", path).header("host", HOST).send().await.status, 404, "{path}");
    }
    assert_eq!(registry.call("POST", "/auth/device/code").send().await.status, 404);
}
