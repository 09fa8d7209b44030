//! `GET /v2/`, health, and paths where nothing is.

use super::registry::{Registry, refused};

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const CHALLENGE: &str = "Bearer realm=\"http://localhost:5000/auth/token\",service=\"localhost:5000\"";

#[tokio::test]
async fn a_client_is_told_where_tokens_come_from() {
    let registry = Registry::start(NONE).await;
    let answer = registry.get("/v2/").await;
    refused(&answer, 401, "UNAUTHORIZED");
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
    // `docker manifest` signs in nowhere without it.
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    let bad = registry.call("GET", "/v2/").bearer("a.b.c").send().await;
    refused(&bad, 401, "UNAUTHORIZED");
    assert_eq!(bad.header("www-authenticate").unwrap(), format!("{CHALLENGE},error=\"invalid_token\""));
    let token = registry.get("/auth/token?service=localhost:5000").await.ok()["token"].as_str().unwrap().to_owned();
    let answer = registry.call("GET", "/v2/").bearer(&token).send().await;
    assert_eq!((answer.status, answer.text()), (200, "{}"));
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let registry = Registry::start(NONE).await;
    assert_eq!(registry.get("/_health").await.ok()["version"], env!("CARGO_PKG_VERSION"));
    refused(&registry.get("/nothing").await, 404, "UNSUPPORTED");
    refused(&registry.get("/v2/alice.test/app/nothing").await, 404, "UNSUPPORTED");
    refused(&registry.get("/v2/Alice").await, 400, "NAME_INVALID");
    for (method, target, allowed) in
        [("POST", "/v2/", "GET, HEAD"), ("DELETE", "/_health", "GET, HEAD"), ("PUT", "/auth/token", "GET, POST")]
    {
        let answer = registry.call(method, target).send().await;
        refused(&answer, 405, "UNSUPPORTED");
        assert_eq!(answer.header("allow"), Some(allowed));
    }
}
