//! A hold on a bucket of each real server: what its answers are where they differ from those of a directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atproto::repo::cid;
use atproto::syntax::Digest;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::objects::{Bucket, buckets_here, pattern};
use crate::support::hold::{Answer, Call, Hold, PRIVATE, digest_of};

async fn holds() -> Vec<(Bucket, Hold)> {
    let mut holds = vec![];
    for bucket in buckets_here() {
        let hold = Hold::start_in(&bucket, "", PRIVATE).await;
        holds.push((bucket, hold));
    }
    holds
}

/// The answer to getPartUploadUrl.
async fn target(hold: &Hold, id: &str, number: u32) -> serde_json::Value {
    let input = json!({ "uploadId": id, "partNumber": number });
    hold.post(&hold.writer, "io.atcr.hold.getPartUploadUrl", &input).await.ok()
}

/// Uploads by URLs of the store.
async fn upload(hold: &Hold, content: &[u8]) -> Digest {
    let (id, digest) = (hold.initiate(&hold.writer).await, digest_of(content));
    let output = target(hold, &id, 1).await;
    let part = Call::to("PUT", output["url"].as_str().unwrap()).body(content.to_vec()).send().await;
    assert_eq!(part.status, 200, "{}", part.text());
    let etag = part.header("etag").unwrap();
    let output = hold.complete(&hold.writer, &id, &digest.to_string(), &[(1, etag)]).await.ok();
    assert_eq!(output, json!({ "status": "completed", "digest": digest }));
    digest
}

async fn get_blob(hold: &Hold, method: &str, query: &str) -> Answer {
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&{query}", hold.did_in_query());
    hold.call(method, &target).bearer(&hold.token(&hold.reader)).send().await
}

#[tokio::test]
async fn a_client_learns_how_large_parts_of_a_bucket_may_be() {
    for (bucket, hold) in holds().await {
        let output = hold.post(&hold.writer, "io.atcr.hold.initiateUpload", &json!({ "digest": "x" })).await.ok();
        let id = output["uploadId"].as_str().unwrap();
        let sizes = json!({ "uploadId": id, "minPartBytes": 5 << 20, "maxPartBytes": 5_u64 << 30 });
        assert_eq!(output, sizes, "{}", bucket.name);
    }
}

#[tokio::test]
async fn parts_and_blobs_go_past_the_hold() {
    for (bucket, hold) in holds().await {
        let (name, content) = (&bucket.name, pattern(100_003));
        let store = format!("{}/", bucket.settings.endpoint.as_deref().unwrap());
        let id = hold.initiate(&hold.writer).await;
        let output = target(&hold, &id, 7).await;
        let url = output["url"].as_str().unwrap();
        assert!(url.starts_with(&store) && url.contains("X-Amz-Expires=900"), "{name}: {url}");
        let headers = json!({ "X-Upload-Id": id, "X-Part-Number": "7" });
        assert_eq!(output, json!({ "url": url, "method": "PUT", "headers": headers }), "{name}");
        // A client that sends these headers to the store does no harm by it.
        let part = Call::to("PUT", url).header("x-upload-id", &id).header("x-part-number", "7").body("part");
        assert_eq!(part.send().await.status, 200, "{name}");

        let digest = upload(&hold, &content).await;
        let url = get_blob(&hold, "GET", &format!("cid={digest}")).await.ok()["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&store) && url.contains("X-Amz-Expires=300"), "{name}: {url}");
        let whole = Call::to("GET", &url).send().await;
        assert!(whole.status == 200 && whole.body == content, "{name}");
        assert_eq!(whole.header("content-type"), Some("application/octet-stream"), "{name}");
        assert_eq!(whole.header("content-disposition"), Some("attachment"), "{name}");
        let part = Call::to("GET", &url).header("range", "bytes=1-3").send().await;
        assert_eq!((part.status, &part.body[..]), (206, &content[1..4]), "{name}");
        assert_eq!(Call::to("HEAD", &url).send().await.status, 403, "{name}");
        let url = get_blob(&hold, "GET", &format!("cid={digest}&method=HEAD")).await.ok()["url"].clone();
        let head = Call::to("HEAD", url.as_str().unwrap()).send().await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("100003")), "{name}");
        let absent = get_blob(&hold, "GET", &format!("cid={}", digest_of(b"absent"))).await;
        absent.assert_refused(404, "BlobNotFound", "there is no such blob");
    }
}

#[tokio::test]
async fn a_cid_leads_to_the_store() {
    for (bucket, hold) in holds().await {
        let (name, content) = (&bucket.name, pattern(1_003));
        let digest = upload(&hold, &content).await;
        for method in ["GET", "HEAD"] {
            let answer = get_blob(&hold, method, &format!("cid={}", cid::raw(&digest))).await;
            assert_eq!((answer.status, answer.text()), (307, ""), "{name}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
            let found = Call::to(method, answer.header("location").unwrap()).send().await;
            assert_eq!((found.status, found.header("content-length")), (200, Some("1003")), "{name} {method}");
            assert!(method == "HEAD" || found.body == content, "{name}");
        }
        let absent = get_blob(&hold, "GET", &format!("cid={}", cid::raw(&digest_of(b"absent")))).await;
        absent.assert_refused(404, "BlobNotFound", "there is no such blob");
    }
}

#[tokio::test]
async fn a_private_hold_gives_no_url_to_those_who_may_not_read() {
    for (bucket, hold) in holds().await {
        let (existing, missing) = (upload(&hold, b"secret").await, digest_of(b"nothing"));
        for method in ["GET", "HEAD"] {
            let mut answers = vec![];
            for digest in [existing, missing] {
                for cid in [digest.to_string(), cid::raw(&digest).to_string()] {
                    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", hold.did_in_query());
                    answers.push(hold.call(method, &target).send().await);
                }
            }
            for answer in &answers {
                let lasting = |answer: &Answer| (answer.status, answer.lasting_headers(), answer.body.clone());
                assert_eq!(lasting(answer), lasting(&answers[0]), "{}", bucket.name);
                assert_eq!((answer.status, answer.header("location")), (401, None), "{}", bucket.name);
            }
        }
    }
}

#[tokio::test]
async fn a_part_by_the_hold_has_an_announced_length() {
    for hold in Hold::everywhere(PRIVATE).await.into_iter().filter(|hold| hold.store != "directory") {
        let id = hold.initiate(&hold.writer).await;
        let url = hold.part_url(&hold.writer, &id, 1).await;
        let chunked = hold.call("PUT", &url).body("part").chunked().send().await;
        chunked.assert_refused(411, "LengthRequired", "the length of the part must be announced");
        hold.part(&hold.writer, &id, 1, "part").await;
        // Azure does not tell of blocks that nobody committed.
        if hold.store != "azurite" {
            assert_eq!(hold.staged().await, [format!("uploads/{id}")]);
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_is_an_answer_to_be_repeated() {
    for mut bucket in buckets_here() {
        let gate = Gate::before(bucket.settings.endpoint.as_deref().unwrap()).await;
        bucket.settings.endpoint = Some(format!("http://127.0.0.1:{}", gate.port));
        let hold = Hold::start_in(&bucket, "", PRIVATE).await;
        let digest = upload(&hold, b"content").await;
        let id = hold.initiate(&hold.writer).await;
        let url = target(&hold, &id, 1).await["url"].as_str().unwrap().to_owned();
        let etag = Call::to("PUT", &url).body("other").send().await.header("etag").unwrap().to_owned();
        let text = digest_of(b"other").to_string();
        gate.close();
        let refused = hold.complete(&hold.writer, &id, &text, &[(1, &etag)]).await;
        refused.assert_error(503, "ServiceUnavailable");
        assert!(hold.has_blob(&digest).await, "{}: what was acknowledged is found without the store", bucket.name);
        let begun = hold.initiate(&hold.writer).await;
        let input = json!({ "uploadId": begun, "partNumber": 1 });
        let refused = hold.post(&hold.writer, "io.atcr.hold.getPartUploadUrl", &input).await;
        refused.assert_error(503, "ServiceUnavailable");
        gate.open();
        target(&hold, &begun, 1).await;
        hold.complete(&hold.writer, &id, &text, &[(1, &etag)]).await.ok();
        assert!(hold.has_blob(&digest_of(b"other")).await, "{}", bucket.name);
    }
}

/// Passes connections on to a store while it is open, and ends them while it is closed.
struct Gate {
    port: u16,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    async fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (address, is_open) =
            (endpoint.strip_prefix("http://").unwrap().to_owned(), Arc::new(AtomicBool::new(true)));
        let shared = Arc::clone(&is_open);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (address, is_open) = (address.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let mut store = TcpStream::connect(address).await.unwrap();
                    let passing = tokio::io::copy_bidirectional(&mut client, &mut store);
                    let closed = async {
                        while is_open.load(Ordering::Relaxed) {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! { _ = passing => {} () = closed => {} }
                });
            }
        });
        Self { port, is_open }
    }

    fn close(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }
}
