//! What all answers share: paths that are not there, heads that are refused, CORS, request ids.

use std::collections::BTreeSet;

use crate::support::hold::{Hold, PRIVATE, PUBLIC, raw};

#[tokio::test]
async fn a_method_this_server_does_not_have_is_501() {
    let hold = Hold::start(PUBLIC).await;
    for target in [
        "/xrpc/com.atproto.sync.subscribeReposs",
        "/xrpc/com.atproto.server.createSession",
        "/xrpc/io.atcr.hold.InitiateUpload",
        "/xrpc/io.atcr.hold.initiateUpload/",
        "/xrpc/",
        "/xrpc/..%2f_health",
    ] {
        for method in ["GET", "POST"] {
            let answer = hold.call(method, target).bearer(&hold.token(&hold.captain)).send().await;
            answer.assert_refused(501, "MethodNotImplemented", "this server does not have this method");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_404() {
    let hold = Hold::start(PUBLIC).await;
    for target in [
        "/nothing",
        "/xrpc",
        "//xrpc/_health",
        "/xrpc//etc/passwd",
        "/.well-known/",
        "/.well-known/did.json/",
        "/blobs",
        "/blobs/",
        "/blobs/sha256:abc",
        "/blobs/..%2f..%2fhold.db",
        "/hold.db",
    ] {
        hold.get(target).send().await.assert_refused(404, "NotFound", "there is nothing at this path");
    }
}

#[tokio::test]
async fn heads_that_two_servers_might_read_differently_are_refused() {
    let hold = Hold::start(PUBLIC).await;
    let cases = [
        (
            "HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            400,
            "InvalidRequest",
        ),
        ("HTTP/1.1\r\n\r\n".to_owned(), 400, "InvalidRequest"),
        ("HTTP/1.1\nHost: h\n\n".to_owned(), 400, "InvalidRequest"),
        ("HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505, "HttpVersionNotSupported"),
        (format!("HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024)), 431, "RequestHeaderFieldsTooLarge"),
        (format!("HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(100)), 431, "RequestHeaderFieldsTooLarge"),
    ];
    for (rest, status, name) in cases {
        let answer = raw(hold.port, format!("POST /xrpc/io.atcr.hold.initiateUpload {rest}")).await;
        assert_head_refused(&answer, status, name);
    }
    let long = raw(hold.port, format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(8 * 1024))).await;
    assert_head_refused(&long, 414, "UriTooLong");
    let hundred =
        format!("GET /xrpc/_health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}\r\n", "X: y\r\n".repeat(98));
    assert!(raw(hold.port, hundred).await.starts_with("HTTP/1.1 200 "));
}

#[track_caller]
fn assert_head_refused(answer: &str, status: u16, name: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{answer}");
    assert!(head.contains("\r\nconnection: close") && head.contains("\r\nx-request-id: "), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"], name);
}

#[tokio::test]
async fn a_page_may_call_anything_and_is_told_so_before_it_asks() {
    let hold = Hold::start(PRIVATE).await;
    for target in ["/xrpc/com.atproto.sync.getBlob", "/blobs/", "/xrpc/io.atcr.hold.initiateUpload", "/nothing", "*"] {
        let wanted = "atproto-accept-labelers,authorization,content-type,x-anything";
        let call = hold.call("OPTIONS", target).header("origin", "https://example.org");
        let call = call.header("access-control-request-method", "POST");
        let answer = call.header("access-control-request-headers", wanted).send().await;
        assert_eq!((answer.status, answer.text()), (204, ""));
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE, PATCH"),
            ("access-control-allow-headers", wanted),
            ("vary", "access-control-request-headers"),
            ("access-control-max-age", "86400"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target} {name}");
        }
        // "*" with credentials would let any page act with a visitor's identity.
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let exposed = "content-range, docker-content-digest, dpop-nonce, etag, retry-after, www-authenticate, x-request-id";
    // Refusals too, or a page could not see why.
    for (target, status) in [("/xrpc/_health", 200), ("/xrpc/com.atproto.sync.getBlob", 401), ("/nothing", 404)] {
        let answer = hold.get(target).send().await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-expose-headers"), Some(exposed));
    }
    let write = hold.call("POST", "/xrpc/io.atcr.hold.initiateUpload").bearer(&hold.token(&hold.writer)).send().await;
    assert_eq!(write.header("access-control-allow-origin"), Some("*"));
    let plain = hold.call("OPTIONS", "/xrpc/_health").send().await;
    assert_eq!((plain.status, plain.header("access-control-allow-headers")), (204, None));
}

#[tokio::test]
async fn proxies_are_told_to_leave_json_as_it_is() {
    let hold = Hold::start(PUBLIC).await;
    for target in ["/xrpc/_health", "/.well-known/did.json", "/nothing"] {
        assert_eq!(hold.get(target).send().await.header("cache-control"), Some("no-transform"), "{target}");
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let hold = Hold::start(PUBLIC).await;
    let mut ids = BTreeSet::new();
    for target in ["/xrpc/_health", "/nothing", "/xrpc/no.such.method", "/xrpc/com.atproto.sync.getBlob"] {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            // The sender's own id is not taken over: it could forge lines of the log.
            let answer = hold.call(method, target).header("x-request-id", "mine").send().await;
            let id = answer.header("x-request-id").unwrap();
            assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            assert!(ids.insert(id.to_owned()), "{id} was given twice");
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_an_error_also_where_none_is_needed() {
    let hold = Hold::start(PUBLIC).await;
    let digest = hold.upload(&hold.writer, b"for anyone").await;
    assert_eq!(hold.blob_url(None, &digest).await.status, 200);
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}", hold.did_in_query());
    let good = hold.token(&hold.stranger);
    assert_eq!(hold.get(&target).bearer(&good).send().await.status, 200);
    assert_eq!(hold.get(&target).header("authorization", &format!("bearer {good}")).send().await.status, 200);
    let form = "the token is malformed: the Authorization header must be Bearer and a service token, or DPoP and an access token";
    for value in ["", "Bearer", "Basic YTpi", &format!("Bearer\t{good}"), &format!("Bearer {good} x")] {
        hold.get(&target).header("authorization", value).send().await.assert_refused(401, "BadJwt", form);
    }
    let twice = "the token is malformed: there is more than one Authorization header";
    hold.get(&target).bearer(&good).bearer(&good).send().await.assert_refused(401, "BadJwt", twice);
    let parts = "the token is malformed: it must have three parts";
    hold.get(&target).bearer("abc").send().await.assert_refused(401, "BadJwt", parts);
}
