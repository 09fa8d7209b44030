//! A bucket that keeps versions answers a removal with a marker: the probe sees it without another permission.

use super::probes::now_us;
use super::scripted::{Script, answer, missing};

const CONTENT: &str = "atcr-hold was here";

fn ok(headers: &str, body: &str) -> String {
    answer("200 OK", headers, body)
}

/// What a probe is answered by a store whose answers to a PUT and to a removal have these headers.
pub(crate) fn probe_answers(put: &str, removed: &str) -> [String; 27] {
    let (head, gone) = ("etag: \"e\"\r\ncontent-length: 18\r\n", || answer("204 No Content", "", ""));
    let created = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let part = "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>18</Size></Part>";
    let parts = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{part}</ListPartsResult>");
    let uploads = || ok("", "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    [
        missing(),
        ok(put, ""),
        ok(head, ""),
        ok("", CONTENT),
        ok("", "<ListBucketResult></ListBucketResult>"),
        ok("", created),
        gone(),
        ok("", created),
        ok("etag: \"e\"\r\n", ""),
        ok("", &parts),
        uploads(),
        ok("", "<CompleteMultipartUploadResult/>"),
        ok(head, ""),
        ok(head, ""),
        ok("", "<CopyObjectResult/>"),
        ok(head, ""),
        ok(head, ""),
        answer("400 Bad Request", "", "<Error><Code>BadDigest</Code></Error>"),
        answer("204 No Content", removed, ""),
        gone(),
        gone(),
        gone(),
        uploads(),
        gone(),
        gone(),
        gone(),
        gone(),
    ]
}

/// What a probe makes of such a store.
async fn keeps_versions(put: &str, removed: &str) -> bool {
    let script = Script::new(probe_answers(put, removed)).await;
    script.s3.probe("one", now_us).await.unwrap().keeps_versions
}

#[tokio::test]
async fn a_bucket_that_keeps_versions_is_known_by_the_marker_of_what_is_removed() {
    let version = "x-amz-version-id: 3sL4kqtJlcpXroDTDmJ\r\n";
    assert!(keeps_versions(version, "x-amz-delete-marker: true\r\n").await);
    assert!(!keeps_versions(version, "").await, "Garage numbers what it puts, and keeps no versions");
    assert!(!keeps_versions("", "x-amz-delete-marker: false\r\n").await);
    assert!(!keeps_versions("", "").await);
}
