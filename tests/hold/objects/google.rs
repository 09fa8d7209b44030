//! The form of requests to Google: no emulator has its multipart uploads and checks its signatures, so that a scripted
//! server keeps what it is asked, and the signatures are checked here by Google's own description of them.
//! <https://cloud.google.com/storage/docs/authentication/signatures>

use std::collections::BTreeMap;

use atcr_hold::objects::{
    Bucket, BucketSettings, Completed, Copied, CopyLimits, CopySource, GoogleSettings, Objects, ResponseHeaders,
};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use http::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::scripted::{answer, found, serve};

const ACCOUNT: &str = include_str!("google_account.json");

fn open(endpoint: Option<String>) -> Bucket {
    let settings = GoogleSettings {
        bucket: "bucket".into(),
        service_account: ACCOUNT.to_owned().into(),
        endpoint,
        prefix: "folder".into(),
    };
    Bucket::open(&BucketSettings::Google(settings)).unwrap()
}

fn assert_signed(message: &[u8], signature: &[u8]) {
    let account: Value = serde_json::from_str(ACCOUNT).unwrap();
    let pem = account["private_key"].as_str().unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let pair = KeyPair::from_pkcs8(&BASE64.decode(body.as_bytes()).unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    key.verify(message, signature).unwrap();
}

/// Checks the signature of a URL for `method`, and answers its query.
fn checked(url: &str, method: &str) -> BTreeMap<String, String> {
    let url = Url::parse(url).unwrap();
    let (query, signature) = url.query().unwrap().split_once("&X-Goog-Signature=").unwrap();
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.sort_unstable();
    let host = url.host_str().unwrap();
    let canonical = format!("{method}\n{}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", url.path(), pairs.join("&"));
    let found: BTreeMap<_, _> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let (_, scope) = found["X-Goog-Credential"].split_once('/').unwrap();
    let hash = HEXLOWER.encode(&Sha256::digest(canonical));
    let text = format!("GOOG4-RSA-SHA256\n{}\n{scope}\n{hash}", found["X-Goog-Date"]);
    assert_signed(text.as_bytes(), &HEXLOWER.decode(signature.as_bytes()).unwrap());
    found
}

#[tokio::test]
async fn a_part_is_signed_with_its_number_and_upload() {
    let bucket = open(None);
    assert!(bucket.signs_parts());
    let url = bucket.presign_part("uploads/u", "an id/+", 7).await.unwrap();
    assert!(url.starts_with("https://storage.googleapis.com/bucket/folder/uploads/u?"), "{url}");
    let query = checked(&url, "PUT");
    assert_eq!((query["partNumber"].as_str(), query["uploadId"].as_str()), ("7", "an id/+"));
    assert_eq!((query["X-Goog-Expires"].as_str(), query["X-Goog-SignedHeaders"].as_str()), ("900", "host"));
    assert!(query["X-Goog-Credential"].starts_with("hold@none.example/"));
}

#[tokio::test]
async fn a_read_is_signed_for_its_method_and_headers() {
    let headers = ResponseHeaders {
        content_type: Some("application/octet-stream".into()),
        content_disposition: Some("attachment; filename=\"a b\"".into()),
    };
    for method in [Method::GET, Method::HEAD] {
        let url = open(None).presign_read(method.clone(), "a/data", &headers).await.unwrap();
        let query = checked(&url, method.as_str());
        assert_eq!(query["X-Goog-Expires"], "300");
        assert_eq!(query["response-content-disposition"], "attachment; filename=\"a b\"");
    }
}

#[tokio::test]
async fn requests_are_those_of_the_xml_api_under_a_token_of_the_account() {
    let begun = "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>";
    let done = "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>";
    let empty = || answer("200 OK", "", "");
    let answers = [answer("200 OK", "", begun), answer("200 OK", "", done), found(), empty(), found(), found()];
    let (endpoint, seen) = serve(answers).await;
    let bucket = open(Some(endpoint));
    let id = bucket.create_multipart("u").await.unwrap();
    let completed = bucket.complete_multipart("u", &id, &[(1, "e".to_owned())]).await.unwrap();
    assert!(matches!(completed, Completed::Object(_)));
    let source = CopySource { key: "u", etag: "e", size_bytes: 5 };
    assert_eq!(bucket.copy_pinned(source, "to").await.unwrap(), Copied::Done);
    let seen = seen.lock().unwrap();
    let mut lines: Vec<_> = seen.iter().map(|request| request.split(" HTTP/1.1").next().unwrap()).collect();
    // Source and target are asked for at once.
    lines[4..].sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /bucket/folder/u?uploads=",
            "POST /bucket/folder/u?uploadId=id",
            "HEAD /bucket/folder/u",
            "PUT /bucket/folder/to",
            "HEAD /bucket/folder/to",
            "HEAD /bucket/folder/u"
        ]
    );
    for request in seen.iter() {
        assert!(!request.to_lowercase().contains("x-amz"), "{request}");
    }
    assert!(seen[0].contains("content-length: 0\r\n"), "Google refuses a POST without a length: {}", seen[0]);
    assert!(seen[3].contains("x-goog-copy-source: bucket/folder/u\r\n"), "{}", seen[3]);
    assert!(seen[3].contains("x-goog-copy-source-if-match: \"e\"\r\n"), "{}", seen[3]);
    let (_, rest) = seen[0].split_once("authorization: Bearer ").unwrap();
    let (signed, signature) = rest.split("\r\n").next().unwrap().rsplit_once('.').unwrap();
    assert_signed(signed.as_bytes(), &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap());
}

#[tokio::test]
async fn objects_are_removed_one_by_one_from_the_beginning() {
    let done = || answer("204 No Content", "", "");
    let (endpoint, seen) = serve([done(), done()]).await;
    let removed = Objects::in_bucket(open(Some(endpoint))).remove_all(vec!["a".into(), "b".into()]).await;
    assert!(removed.failure.is_none() && removed.gone.len() == 2, "{removed:?}");
    assert!(seen.lock().unwrap().iter().all(|request| request.starts_with("DELETE /bucket/folder/")));
}

#[tokio::test]
async fn an_object_of_any_size_is_copied_at_once() {
    let (endpoint, seen) = serve([answer("200 OK", "", ""), found(), found()]).await;
    // The length is wrong in the end; what counts is that one request was enough.
    let source = CopySource { key: "u", etag: "e", size_bytes: 50_000_000_000 };
    let copied = open(Some(endpoint)).copy_pinned(source, "to").await;
    assert!(copied.is_err() && seen.lock().unwrap()[0].starts_with("PUT /bucket/folder/to HTTP"));
    for (endpoint, limit) in [
        (Some("https://storage.googleapis.com"), u64::MAX),
        (Some("https://s3.example.org"), 5_000_000_000),
        (Some("https://storage.googleapis.com.example.org"), 5_000_000_000),
        (None, 5_000_000_000),
    ] {
        assert_eq!(CopyLimits::of(endpoint).single_max_bytes, limit, "{endpoint:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_told_without_showing_it() {
    let settings = GoogleSettings {
        bucket: "bucket".into(),
        service_account: "{\"private_key\": \"planted\"}".to_owned().into(),
        endpoint: None,
        prefix: String::new(),
    };
    let error = Bucket::open(&BucketSettings::Google(settings)).map(drop).unwrap_err();
    assert!(error.to_string().contains("service account") && !error.to_string().contains("planted"), "{error}");
}
