//! What a hold on a bucket counts, on each real server.

use serde_json::json;
use tempfile::TempDir;

use crate::objects::{buckets_here, pattern};
use crate::support::hold::{Call, Hold, PRIVATE, digest_of, raw_unix};

/// The value of a series.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

#[tokio::test]
async fn what_is_sent_to_a_bucket_and_read_back_is_counted() {
    for bucket in buckets_here() {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("metrics.sock");
        let toml = format!("{PRIVATE}[metrics]\naddr = \"{}\"\n", socket.display());
        let hold = Hold::start_in(&bucket, "", &toml).await;
        let (id, content) = (hold.initiate(&hold.writer).await, pattern(100_003));
        let input = json!({ "uploadId": id, "partNumber": 1 });
        let target = hold.post(&hold.writer, "io.atcr.hold.getPartUploadUrl", &input).await.ok();
        let part = Call::to("PUT", target["url"].as_str().unwrap()).body(content.clone()).send().await;
        let digest = digest_of(&content).to_string();
        hold.complete(&hold.writer, &id, &digest, &[(1, part.header("etag").unwrap())]).await.ok();
        let page = raw_unix(&socket, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let proven = ["atcr_hold_proofs_total", "atcr_hold_proof_read_bytes_total"].map(|name| value(&page, name));
        assert_eq!(proven.map(|number| number.to_string()), ["1", "100003"], "{}", bucket.name);
        assert!(value(&page, "atcr_hold_proof_seconds_total") > 0.0, "{}", bucket.name);
        // To try the bucket out it takes more; how many of them fail on purpose is the server's matter.
        assert!(value(&page, "atcr_hold_bucket_requests_total") > 10.0, "{}", bucket.name);
        for name in ["atcr_hold_bucket_retries_total", "atcr_hold_bucket_failures_total"] {
            assert!(value(&page, name) >= 0.0, "{}", bucket.name);
        }
        assert!(!page.contains("{of=\"blobs\"}"), "{}: a bucket does not say how much room it has", bucket.name);
    }
}
