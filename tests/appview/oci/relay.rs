//! Pulls that pass through: what a client sees, and what happens when the hold lies or stalls.

use atproto::syntax::Digest;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::registry::{Registry, refused};
use crate::support::did_server::Reply;
use crate::support::http::Answer;

const BYTES: &str = "the bytes of a blob";

struct Pulls {
    registry: Registry,
    digest: String,
    blob: String,
}

impl Pulls {
    /// A registry through which pulls pass; alice's hold is the network as well.
    async fn start() -> Self {
        let registry = Registry::start([("ATCR_PROXY_BLOBS", "true")]).await;
        let here = format!("http://localhost:{}", registry.network.port);
        let profile = json!({ "uri": format!("at://{}/io.atcr.sailor.profile/self", registry.alice), "value": { "defaultHold": format!("did:web:localhost%3A{}", registry.network.port) } });
        let of_alice = registry.alice.as_str().replace(':', "%3A");
        let digest = digest(BYTES);
        let record =
            format!("/xrpc/com.atproto.repo.getRecord?repo={of_alice}&collection=io.atcr.sailor.profile&rkey=self");
        registry.network.set(&record, Reply::Body(profile.to_string()));
        let blob = format!("/v2/alice.test/app/blobs/{digest}");
        for verb in ["GET", "HEAD"] {
            let path = format!(
                "/xrpc/com.atproto.sync.getBlob?did=did%3Aweb%3Alocalhost%253A{}&cid={}&method={verb}",
                registry.network.port,
                digest.replace(':', "%3A")
            );
            registry
                .network
                .set(&path, Reply::Body(json!({ "url": format!("{here}/blob"), "method": verb }).to_string()));
        }
        Self { registry, digest, blob }
    }

    /// The hold answers so.
    fn hold_says(&self, head: &str, body: &str) {
        let text = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
        self.registry.network.set("/blob", Reply::Raw(text));
    }

    async fn call(&self, method: &str, range: Option<&str>) -> Answer {
        let token = self.registry.get("/auth/token?service=localhost:5000&scope=repository:alice.test/app:pull").await;
        let token = token.ok()["token"].as_str().unwrap().to_owned();
        let call = self.registry.call(method, &self.blob).bearer(&token);
        match range {
            Some(range) => call.header("range", range).send().await,
            None => call.send().await,
        }
    }
}

fn digest(text: &str) -> String {
    use sha2::Digest as _;
    Digest::from_bytes(sha2::Sha256::digest(text.as_bytes()).into()).to_string()
}

#[tokio::test]
async fn a_blob_comes_whole_by_its_head_and_in_ranges() {
    let pulls = Pulls::start().await;
    let whole = format!("200 OK\r\nContent-Length: {}", BYTES.len());
    pulls.hold_says(&whole, BYTES);
    let answer = pulls.call("GET", None).await;
    assert_eq!((answer.status, answer.text()), (200, BYTES));
    assert_eq!(answer.header("docker-content-digest"), Some(pulls.digest.as_str()));
    assert_eq!((answer.header("content-length"), answer.header("accept-ranges")), (Some("19"), Some("bytes")));
    pulls.hold_says(&whole, "");
    let head = pulls.call("HEAD", None).await;
    assert_eq!((head.status, head.header("content-length"), head.text()), (200, Some("19"), ""));
    pulls.hold_says("206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 4-8/19", "bytes");
    let part = pulls.call("GET", Some("bytes=4-8")).await;
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "bytes", Some("bytes 4-8/19")));
    pulls.hold_says("416 Range Not Satisfiable\r\nContent-Length: 0\r\nContent-Range: bytes */19", "");
    let none = pulls.call("GET", Some("bytes=99-")).await;
    assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */19")));
}

/// A store that has the blob, and answers more than one range by a body of parts, as RFC 9110 allows it; its URL.
async fn store_with_parts() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/blob", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let (status, kind, body) = if String::from_utf8(head).unwrap().contains("bytes=0-2,4-8") {
                let part = |range, bytes| format!("--x\r\nContent-Range: bytes {range}/19\r\n\r\n{bytes}\r\n");
                let parts = format!("{}{}--x--\r\n", part("0-2", "the"), part("4-8", "bytes"));
                ("206 Partial Content", "multipart/byteranges; boundary=x", parts)
            } else {
                ("200 OK", "application/octet-stream", BYTES.to_owned())
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}");
            stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn several_ranges_are_answered_with_the_whole_blob() {
    let pulls = Pulls::start().await;
    pulls.hold_says(
        &format!("307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0", store_with_parts().await),
        "",
    );
    let answer = pulls.call("GET", Some("bytes=0-2,4-8")).await;
    assert_eq!((answer.status, answer.text()), (200, BYTES));
}

#[tokio::test]
async fn a_blob_that_its_storage_has_at_another_place_comes_from_there() {
    let pulls = Pulls::start().await;
    let network = &pulls.registry.network;
    let length = BYTES.len();
    for place in ["/elsewhere".to_owned(), format!("http://localhost:{}/elsewhere", network.port)] {
        pulls.hold_says(&format!("307 Temporary Redirect\r\nLocation: {place}\r\nContent-Length: 0"), "");
        network.set("/elsewhere", Reply::Bytes(BYTES.into()));
        let whole = pulls.call("GET", None).await;
        assert_eq!((whole.status, whole.text()), (200, BYTES));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        network.set("/elsewhere", Reply::Raw(head));
        let head = pulls.call("HEAD", None).await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("19")));
    }
    for inward in ["http://169.254.169.254/", "http://10.0.0.1/", "file:///etc/passwd", "http://[::1]/", "//", ""] {
        pulls.hold_says(&format!("307 Temporary Redirect\r\nLocation: {inward}\r\nContent-Length: 0"), "");
        refused(&pulls.call("GET", None).await, 503, "UNAVAILABLE");
    }
    // In a circle.
    pulls.hold_says("307 Temporary Redirect\r\nLocation: /blob\r\nContent-Length: 0", "");
    let before = network.requests();
    refused(&pulls.call("GET", None).await, 503, "UNAVAILABLE");
    assert!(network.requests() - before <= 6, "it ends");
}

#[tokio::test]
async fn a_hold_that_lies_or_fails_is_no_answer() {
    let pulls = Pulls::start().await;
    pulls.hold_says("404 Not Found\r\nContent-Length: 0", "");
    refused(&pulls.call("GET", None).await, 404, "BLOB_UNKNOWN");
    pulls.hold_says("500 Oh\r\nContent-Length: 0", "");
    refused(&pulls.call("GET", None).await, 503, "UNAVAILABLE");
    pulls.hold_says("302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0", "");
    refused(&pulls.call("GET", None).await, 503, "UNAVAILABLE");
    // Another blob of the same length is cut off before its end, so that nobody takes it for the right one.
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        BYTES.len(),
        "x".repeat(BYTES.len())
    );
    pulls.registry.network.set("/blob", Reply::Raw(text));
    let token = pulls.registry.get("/auth/token?service=localhost:5000&scope=repository:alice.test/app:pull").await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let request =
        format!("GET {} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n", pulls.blob);
    let answer = crate::support::http::raw(pulls.registry.port, &request).await;
    assert!(!answer.contains(&"x".repeat(BYTES.len())), "{answer}");
}
