//! URLs that clients use without any credentials, on each real S3 server.

use atcr_hold::objects::{Bucket, Completed, ResponseHeaders};
use http::{Method, StatusCode};

use super::buckets_here;
use crate::support::http::Call;

/// Sends a request as a client does that knows nothing but the URL.
pub(super) async fn request(method: Method, url: &str, body: &'static [u8]) -> http::Response<bytes::Bytes> {
    let answer = Call::to(method.as_str(), url).body(body).send().await;
    let mut response = http::Response::builder().status(answer.status).body(answer.body).unwrap();
    *response.headers_mut() = answer.headers;
    response
}

async fn read_url(s3: &Bucket, method: Method, headers: &ResponseHeaders) -> String {
    s3.presign_read(method, "a/data", headers).await.unwrap()
}

#[tokio::test]
async fn a_part_goes_past_the_hold() {
    for bucket in buckets_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let id = s3.create_multipart("a/data").await.unwrap();
        let url = s3.presign_part("a/data", &id, 1).await.unwrap();
        assert!(url.contains("X-Amz-Expires=900"), "{name}: {url}");
        let put = request(Method::PUT, &url, b"bytes").await;
        assert_eq!(put.status(), StatusCode::OK, "{name}");
        let etag = put.headers()["etag"].to_str().unwrap().to_owned();
        let completed = s3.complete_multipart("a/data", &id, &[(1, etag)]).await.unwrap();
        assert!(matches!(completed, Completed::Object(_)), "{name}");
        let late = request(Method::PUT, &url, b"other").await;
        assert!(!late.status().is_success(), "{name}: an old URL changes nothing");
        let other = request(Method::PUT, &url.replace("partNumber=1", "partNumber=2"), b"other").await;
        assert_eq!(other.status(), StatusCode::FORBIDDEN, "{name}");
        assert_eq!(s3.stat("a/data").await.unwrap().unwrap().size_bytes, 5, "{name}");
    }
}

#[tokio::test]
async fn reads_are_for_one_method_with_the_wanted_headers() {
    for bucket in buckets_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        s3.put("a/data", b"bytes".as_slice()).await.unwrap();
        let headers = ResponseHeaders {
            content_type: Some("application/octet-stream".into()),
            content_disposition: Some("attachment; filename=\"a b.txt\"".into()),
        };
        let url = read_url(&s3, Method::GET, &headers).await;
        assert!(url.contains("X-Amz-Expires=300"), "{name}: {url}");
        let get = request(Method::GET, &url, b"").await;
        assert_eq!((get.status(), &get.body()[..]), (StatusCode::OK, &b"bytes"[..]), "{name}");
        assert_eq!(get.headers()["content-type"], "application/octet-stream", "{name}");
        assert_eq!(get.headers()["content-disposition"], "attachment; filename=\"a b.txt\"", "{name}");
        assert_eq!(request(Method::DELETE, &url, b"").await.status(), StatusCode::FORBIDDEN, "{name}");
        let head = request(Method::HEAD, &read_url(&s3, Method::HEAD, &ResponseHeaders::default()).await, b"").await;
        assert_eq!(head.status(), StatusCode::OK, "{name}");
        assert_eq!(head.headers()["content-length"], "5", "{name}");
    }
}

#[tokio::test]
async fn urls_are_for_the_address_that_clients_use() {
    for mut bucket in buckets_here() {
        let endpoint = bucket.settings.endpoint.clone().unwrap();
        let public = endpoint.replace("127.0.0.1", "localhost");
        bucket.settings.public_endpoint = Some(public.clone());
        let (name, s3) = (&bucket.name, bucket.open());
        s3.probe("public", super::probes::now_us).await.unwrap();
        let id = s3.create_multipart("a/data").await.unwrap();
        let url = s3.presign_part("a/data", &id, 1).await.unwrap();
        assert!(url.starts_with(&public), "{name}: {url}");
        let put = request(Method::PUT, &url, b"bytes").await;
        assert_eq!(put.status(), StatusCode::OK, "{name}");
        let etag = put.headers()["etag"].to_str().unwrap().to_owned();
        s3.complete_multipart("a/data", &id, &[(1, etag)]).await.unwrap();
        let url = read_url(&s3, Method::GET, &ResponseHeaders::default()).await;
        assert!(url.starts_with(&public), "{name}: {url}");
        assert_eq!(request(Method::GET, &url, b"").await.body(), "bytes", "{name}");
    }
}

#[tokio::test]
async fn the_pull_zone_takes_the_place_of_the_host_after_signing() {
    for mut bucket in buckets_here() {
        bucket.settings.pull_zone = Some("https://cdn.example".into());
        let s3 = bucket.open();
        s3.put("a/data", b"bytes".as_slice()).await.unwrap();
        let url = read_url(&s3, Method::GET, &ResponseHeaders::default()).await;
        let rest = url.strip_prefix("https://cdn.example").unwrap();
        // What the CDN does: it asks the store, by the store's own host.
        let origin = format!("{}{rest}", bucket.settings.endpoint.clone().unwrap());
        assert_eq!(request(Method::GET, &origin, b"").await.body(), "bytes", "{}", bucket.name);
        let part = s3.presign_part("a/data", "id", 1).await.unwrap();
        assert!(part.starts_with(bucket.settings.endpoint.as_deref().unwrap()), "parts never go to the CDN");
    }
}
