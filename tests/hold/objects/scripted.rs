//! What no real server does on demand: a scripted one answers each request with the next of its lines.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use atcr_hold::objects::{
    Bucket, BucketSettings, Completed, Copied, CopyLimits, CopySource, Credentials, Objects, PartError, Role,
    S3Settings,
};
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use server::storage::StorageError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::read;

const SOURCE: CopySource<'_> = CopySource { key: "k", etag: "e", size_bytes: 5 };

/// A server that answers connection after connection with one scripted answer each, and keeps the requests' lines.
pub(crate) struct Script {
    pub(crate) s3: Bucket,
    pub(crate) settings: BucketSettings,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// An empty answer closes the connection.
    pub(crate) async fn new(answers: impl IntoIterator<Item = String>) -> Self {
        Self::with(answers, |_, _| {}).await
    }

    /// With settings that are changed, given the address of the server.
    async fn with(answers: impl IntoIterator<Item = String>, change: impl FnOnce(&mut S3Settings, &str)) -> Self {
        let (endpoint, seen) = serve(answers).await;
        let mut settings = S3Settings {
            bucket: "bucket".into(),
            region: "us-east-1".into(),
            endpoint: Some(endpoint.clone()),
            path_style: true,
            prefix: "folder".into(),
            pull_zone: None,
            public_endpoint: None,
            credentials: Credentials::Keys {
                id: "key".to_owned().into(),
                secret: "secret".to_owned().into(),
                session_token: None,
            },
            copy: CopyLimits::default(),
        };
        change(&mut settings, &endpoint);
        let settings = BucketSettings::S3(settings);
        Self { s3: Bucket::open(&settings).unwrap(), settings, seen }
    }

    /// Method and path of each request, without its query.
    pub(crate) fn requests(&self) -> Vec<String> {
        let line = |text: &String| text.split(['?', '\r']).next().unwrap().replace(" HTTP/1.1", "");
        self.seen.lock().unwrap().iter().map(line).collect()
    }

    pub(super) fn request(&self, index: usize) -> String {
        self.seen.lock().unwrap()[index].clone()
    }
}

/// Answers connection after connection with one scripted answer each; gives its address, and what it was asked.
pub(super) async fn serve(answers: impl IntoIterator<Item = String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let answers: Vec<_> = answers.into_iter().collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut chunk = [0; 4096];
                match stream.read(&mut chunk).await.unwrap() {
                    0 => break,
                    count => request.extend_from_slice(&chunk[..count]),
                }
            }
            let text = String::from_utf8(request).unwrap();
            requests.lock().unwrap().push(text);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (endpoint, seen)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// An answer after which the connection ends, with the length of its body unless the headers have one.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length =
        if headers.contains("content-length") { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status}\r\n{headers}{length}connection: close\r\n\r\n{body}")
}

pub(crate) fn lost() -> String {
    String::new()
}

pub(super) fn busy() -> String {
    answer("503 Slow Down", "", "<?xml version='1.0'?><Error><Code>SlowDown</Code><Resource>/secret</Resource></Error>")
}

fn late_error() -> String {
    answer("200 OK", "", "  <?xml version='1.0'?>\n<Error><Code>InternalError</Code></Error>")
}

pub(super) fn no_such_upload() -> String {
    answer("404 Not Found", "", "<Error><Code>NoSuchUpload</Code></Error>")
}

/// An object of five bytes: what HEAD says.
pub(crate) fn found() -> String {
    answer("200 OK", "etag: \"e\"\r\ncontent-length: 5\r\n", "")
}

pub(super) fn missing() -> String {
    answer("404 Not Found", "", "")
}

/// Bytes from `start` on, which say that they reach to the end of the five.
pub(crate) fn rest_from(start: usize, body: &str) -> String {
    let range = format!("content-range: bytes {start}-4/5\r\netag: \"e\"\r\ncontent-length: {}\r\n", 5 - start);
    answer("206 Partial Content", &range, body)
}

fn one_part() -> [(u16, String); 1] {
    [(1, "\"e\"".to_owned())]
}

#[tokio::test]
async fn a_busy_store_is_asked_three_times() {
    let script = Script::new([busy(), lost(), found()]).await;
    assert_eq!(script.s3.stat("k").await.unwrap().unwrap().size_bytes, 5);
    assert_eq!(script.requests(), ["HEAD /bucket/folder/k"; 3]);
    let script = Script::new([busy(), busy(), busy(), found()]).await;
    let error = script.s3.delete("k").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    assert_eq!(error.to_string(), "storage is unavailable: the store answered 503 SlowDown");
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test]
async fn an_error_in_a_success_is_an_error() {
    let script = Script::new([late_error(), late_error(), late_error()]).await;
    let error = script.s3.complete_multipart("k", "id", &one_part()).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
    let script = Script::new([late_error(), late_error(), late_error()]).await;
    let error = script.s3.copy_pinned(SOURCE, "to").await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_lost_answer_to_completing_is_looked_up() {
    let script = Script::new([lost(), no_such_upload(), found()]).await;
    let completed = script.s3.complete_multipart("k", "id", &one_part()).await.unwrap();
    assert!(matches!(completed, Completed::Object(info) if info.size_bytes == 5));
    assert_eq!(script.requests(), ["POST /bucket/folder/k", "POST /bucket/folder/k", "HEAD /bucket/folder/k"]);
    let script = Script::new([no_such_upload(), missing()]).await;
    let completed = script.s3.complete_multipart("k", "id", &one_part()).await.unwrap();
    assert_eq!(completed, Completed::Unknown);
}

#[tokio::test]
async fn the_etag_of_an_object_is_what_the_store_keeps_not_what_completing_says() {
    let body = "<CompleteMultipartUploadResult><Key>k</Key><ETag></ETag></CompleteMultipartUploadResult>";
    let script = Script::new([answer("200 OK", "", body), found()]).await;
    let completed = script.s3.complete_multipart("k", "id", &one_part()).await.unwrap();
    assert!(matches!(completed, Completed::Object(info) if info.etag == "\"e\""));
}

#[tokio::test]
async fn a_copy_is_pinned_by_a_signed_header() {
    let script = Script::new([answer("200 OK", "", ""), found(), found()]).await;
    assert_eq!(script.s3.copy_pinned(SOURCE, "to").await.unwrap(), Copied::Done);
    let request = script.request(0);
    assert!(request.contains("x-amz-copy-source: /bucket/folder/k\r\n"), "{request}");
    assert!(request.contains("x-amz-copy-source-if-match: \"e\"\r\n"), "{request}");
    assert!(request.contains("x-amz-copy-source;x-amz-copy-source-if-match;"), "{request}");
}

#[tokio::test]
async fn a_refusal_by_another_clock_is_known_whatever_the_store_calls_it() {
    let invalid = "<Error><Code>InvalidRequest</Code><Message>Bad request: Date is too old</Message></Error>";
    let script = Script::new([answer("400 Bad Request", "date: Thu, 01 Jan 2015 00:00:00 GMT\r\n", invalid)]).await;
    let error = script.s3.put("k", b"x".as_slice()).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)) && error.to_string().contains("TimeTooSkewed"), "{error:?}");
    let script = Script::new([answer("400 Bad Request", "", invalid)]).await;
    let error = script.s3.put("k", b"x".as_slice()).await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_copy_counts_only_when_its_source_still_is_what_was_proven() {
    let other = || answer("200 OK", "etag: \"other\"\r\ncontent-length: 5\r\n", "");
    let script = Script::new([answer("200 OK", "", ""), other(), other()]).await;
    assert_eq!(script.s3.copy_pinned(SOURCE, "to").await.unwrap(), Copied::SourceChanged);
}

#[tokio::test]
async fn a_store_that_cannot_copy_pieces_is_asked_for_the_whole() {
    let created = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let as_part = answer("200 OK", "etag: \"d41d8cd98f00b204e9800998ecf8427e\"\r\n", "");
    let gone = answer("204 No Content", "", "");
    let answers = [answer("200 OK", "", created), as_part, gone, answer("200 OK", "", ""), found(), found()];
    let script = Script::with(answers, |settings, _| {
        settings.copy = CopyLimits { single_max_bytes: 4, part_bytes: 5 };
    })
    .await;
    assert_eq!(script.s3.copy_pinned(SOURCE, "to").await.unwrap(), Copied::Done);
    let expected = ["POST", "PUT", "DELETE", "PUT", "HEAD", "HEAD"];
    let methods: Vec<_> = script.requests().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(methods, expected);
}

#[tokio::test]
async fn an_internal_error_of_completing_what_is_not_there_is_known() {
    let broken = || answer("500 Internal Server Error", "", "<Error><Code>InternalError</Code></Error>");
    let script = Script::new([broken(), broken(), broken(), no_such_upload(), missing()]).await;
    let completed = script.s3.complete_multipart("k", "id", &one_part()).await.unwrap();
    assert_eq!(completed, Completed::Unknown);
}

#[tokio::test]
async fn a_read_that_breaks_off_goes_on_where_it_was() {
    let script = Script::new([found(), rest_from(0, "ab"), rest_from(2, "cde")]).await;
    let object = Objects::in_bucket(script.s3.clone()).open_object("k").await.unwrap().unwrap();
    assert_eq!(read(object, 0..5).await.unwrap(), b"abcde");
    assert!(script.request(1).contains("range: bytes=0-4\r\n") && script.request(1).contains("if-match: \"e\"\r\n"));
    assert!(script.request(2).contains("range: bytes=2-4\r\n"));
}

#[tokio::test]
async fn bytes_of_another_object_or_range_are_never_passed_on() {
    let other = || answer("200 OK", "etag: \"other\"\r\n", "wrong");
    let whole = || answer("200 OK", "etag: \"e\"\r\n", "abcde");
    let longer = || rest_from(0, "abcde").replace("0-4/5", "0-4/6");
    for (answer, range) in [(other(), 0..5), (longer(), 0..5), (whole(), 2..5), (rest_from(1, "bcd"), 2..5)] {
        let script = Script::new([found(), answer]).await;
        let object = Objects::in_bucket(script.s3.clone()).open_object("k").await.unwrap().unwrap();
        read(object, range.clone()).await.unwrap_err();
    }
    // A store that does not know ranges is of use from the beginning on.
    let script = Script::new([found(), whole()]).await;
    let object = Objects::in_bucket(script.s3.clone()).open_object("k").await.unwrap().unwrap();
    assert_eq!(read(object, 0..3).await.unwrap(), b"abc");
}

#[tokio::test]
async fn a_value_that_no_header_may_have_is_never_left_out() {
    let script = Script::new([found()]).await;
    let error = script.s3.copy_pinned(CopySource { etag: "e\n", ..SOURCE }, "to").await.unwrap_err();
    assert!(matches!(error, StorageError::Failed(_)), "{error:?}");
    assert!(script.requests().is_empty(), "an unpinned copy was sent");
}

#[tokio::test]
async fn the_role_of_a_container_signs() {
    const KEYS: &str = r#"{"AccessKeyId":"of the role","SecretAccessKey":"s","Token":"session",
        "Expiration":"2999-01-01T00:00:00Z","AccountId":"1"}"#;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "right of the container").unwrap();
    let answers = [answer("200 OK", "content-type: application/json\r\n", KEYS), found(), found()];
    let script = Script::with(answers, |settings, address| {
        settings.credentials = Credentials::Role(Role {
            container_full_uri: Some(format!("{address}/v1/credentials")),
            container_token_file: Some(token.path().to_str().unwrap().to_owned()),
            ..Role::default()
        });
    })
    .await;
    for _ in 0..2 {
        script.s3.stat("k").await.unwrap().unwrap();
    }
    assert_eq!(script.requests(), ["GET /v1/credentials", "HEAD /bucket/folder/k", "HEAD /bucket/folder/k"]);
    assert!(script.request(0).contains("right of the container"));
    assert!(script.request(1).contains("Credential=of the role/") && script.request(1).contains("session\r\n"));
    let url = script.s3.presign_part("k", "id", 1).await.unwrap();
    assert!(url.contains("X-Amz-Security-Token=session"), "{url}");
}

#[tokio::test]
async fn without_any_credentials_the_operator_is_told() {
    let refused = || answer("403 Forbidden", "", "no role here");
    let script = Script::with([refused(), refused(), refused(), refused()], |settings, address| {
        settings.credentials = Credentials::Role(Role {
            container_full_uri: Some(format!("{address}/v1/credentials")),
            container_token_file: Some("/dev/null".into()),
            ..Role::default()
        });
    })
    .await;
    let error = script.s3.stat("k").await.unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_listing_that_is_cut_off_is_an_error() {
    let cut = |name: &str| answer("200 OK", "", &format!("<{name}><IsTruncated>true</IsTruncated></{name}>"));
    let script =
        Script::new([cut("ListBucketResult"), cut("ListMultipartUploadsResult"), cut("ListPartsResult")]).await;
    let listed = Objects::in_bucket(script.s3.clone()).list("docker").try_collect::<Vec<_>>().await;
    assert!(matches!(listed, Err(StorageError::Failed(_))), "{listed:?}");
    let open = script.s3.list_multiparts("docker").try_collect::<Vec<_>>().await;
    assert!(matches!(open, Err(StorageError::Failed(_))), "{open:?}");
    let parts = script.s3.list_parts("k", "id").await;
    assert!(matches!(parts, Err(StorageError::Failed(_))), "{parts:?}");
}

#[tokio::test]
async fn of_a_part_whose_answer_is_lost_the_store_is_asked_whether_it_has_the_upload() {
    let part = || stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"bytes"))]);
    let script = Script::new([lost(), no_such_upload(), lost(), busy(), busy(), busy()]).await;
    let refused = script.s3.upload_part("k", "id", 1, 5, part()).await;
    assert!(matches!(refused, Err(PartError::UnknownUpload)), "{refused:?}");
    let refused = script.s3.upload_part("k", "id", 1, 5, part()).await;
    assert!(matches!(refused, Err(PartError::Storage(StorageError::Unavailable(_)))), "{refused:?}");
    assert_eq!(script.requests()[..2], ["PUT /bucket/folder/k", "GET /bucket/folder/k"]);
}
