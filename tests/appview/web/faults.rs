//! Whose fault a failed request is: anybody can ask for what is at a server that is dead.

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::person::{HOST, status};
use crate::oci::registry::{Registry, refused};

#[tokio::test]
async fn what_fails_for_the_sake_of_others_is_counted_apart() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("metrics.sock");
    let registry = Registry::start([("ATCR_METRICS_ADDR", socket.to_str().unwrap())]).await;
    let handle = "/xrpc/com.atproto.identity.resolveHandle?handle=away.test";
    registry.network.set(handle, status("500 X", ""));
    let page = registry.call("GET", "/away.test").header("host", HOST).header("accept", "text/html").send().await;
    assert_eq!(page.status, 503, "{}", page.text());
    let token = registry.get("/auth/token?service=localhost:5000&scope=repository:away.test/app:pull").await;
    let token = token.ok()["token"].as_str().unwrap().to_owned();
    let tags = registry.call("GET", "/v2/away.test/app/tags/list").bearer(&token).send().await;
    refused(&tags, 503, "UNAVAILABLE");

    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).await.unwrap();
    for series in ["method=\"/*\",code=\"503\"", "method=\"/v2/*/tags/list\",code=\"503\""] {
        assert!(metrics.contains(&format!("{{{series},fault=\"elsewhere\"}} 1")), "{series}: {metrics}");
        assert!(!metrics.contains(&format!("{{{series}}}")), "{series}: {metrics}");
    }
}
