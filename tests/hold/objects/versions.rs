//! A bucket that keeps versions says so in every answer to a PUT: the probe sees it without another permission.

use super::probes::now_us;
use super::scripted::{Script, answer, missing};

const CONTENT: &str = "atcr-hold was here";

fn ok(headers: &str, body: &str) -> String {
    answer("200 OK", headers, body)
}

/// What a store answers to a whole probe, whose PUT has these headers.
async fn keeps_versions(put: &str) -> bool {
    let (head, gone) = ("etag: \"e\"\r\ncontent-length: 18\r\n", || answer("204 No Content", "", ""));
    let created = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let part = "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>18</Size></Part>";
    let parts = format!("<ListPartsResult><IsTruncated>false</IsTruncated>{part}</ListPartsResult>");
    let uploads = || ok("", "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    let script = Script::new([
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
        gone(),
        gone(),
        gone(),
        gone(),
        uploads(),
        gone(),
        gone(),
        gone(),
        gone(),
    ])
    .await;
    script.s3.probe("one", now_us).await.unwrap().keeps_versions
}

#[tokio::test]
async fn a_bucket_that_keeps_versions_is_known_by_the_version_of_what_is_put() {
    assert!(keeps_versions("x-amz-version-id: 3sL4kqtJlcpXroDTDmJ\r\n").await);
    assert!(!keeps_versions("x-amz-version-id: null\r\n").await, "they are suspended");
    assert!(!keeps_versions("").await);
}
