//! What is Azure's own: signed URLs, blocks nobody committed, and each mistake of an operator.

use std::io::Write as _;
use std::path::Path;
use std::sync::Once;

use atcr_hold::blobs::{BlobError, UploadLimits};
use atcr_hold::objects::{
    AzureSettings, Bucket, BucketSettings, Completed, Copied, CopySource, ProbeError, ResponseHeaders,
};
use futures_util::TryStreamExt as _;
use http::{Method, StatusCode};
use server::storage::StorageError;

use super::buckets::send;
use super::nobody_listens;
use super::presigned::request;
use super::probes::{an_hour_ahead_us, now_us};
use super::remotes::Remote;
use super::scripted::{answer, missing, serve};
use crate::support::blob_hold::{Hold, NOW_US, alice, frames, part_number, part_request};

const REASON: &str = "x-ms-copy-status-description";

/// The accounts in the file that `ATCR_HOLD_AZURE` names, a line an account: name, endpoint, account, container, and
/// the file of the key. Each gets a folder that nothing else uses.
#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
pub(super) fn accounts_here() -> Vec<(String, AzureSettings)> {
    static SAID: Once = Once::new();
    let Some(list) = std::env::var_os("ATCR_HOLD_AZURE") else {
        SAID.call_once(|| {
            // Past the capture of the test runner.
            let _ = std::io::stderr().write_all(b"skipped: Azure: ATCR_HOLD_AZURE is not set\n");
        });
        return Vec::new();
    };
    std::fs::read_to_string(list).unwrap().lines().map(account).collect()
}

fn account(line: &str) -> (String, AzureSettings) {
    let words: Vec<_> = line.split(' ').collect();
    let [name, endpoint, account, container, key] = words[..] else { panic!("an account has five words: {line}") };
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let settings = AzureSettings {
        account: account.into(),
        container: container.into(),
        access_key: std::fs::read_to_string(Path::new(key)).unwrap().trim().to_owned().into(),
        endpoint: Some(endpoint.into()),
        prefix: format!("test-{:016x}", u64::from_be_bytes(random)),
    };
    (name.into(), settings)
}

pub(super) fn remote((name, settings): (String, AzureSettings)) -> Remote {
    let AzureSettings { account, container, access_key, endpoint, prefix } = &settings;
    let (key, endpoint) = (access_key.as_str(), endpoint.as_deref().unwrap());
    let options = format!(
        "[storage.s3]\ndisable_presigned_urls = true\n[storage.azure]\naccount = \"{account}\"\ncontainer = \"{container}\"\naccess_key = \"{key}\"\n\
         endpoint = \"{endpoint}\"\nprefix = \"{prefix}\"\n"
    );
    Remote { name, driver: "azure", options, settings: BucketSettings::Azure(settings) }
}

fn open(settings: &AzureSettings) -> Bucket {
    Bucket::open(&BucketSettings::Azure(settings.clone())).unwrap()
}

#[tokio::test]
async fn a_read_needs_only_the_url_and_changes_nothing() {
    for (name, settings) in accounts_here() {
        let bucket = open(&settings);
        bucket.put("a/data", b"bytes".as_slice()).await.unwrap();
        let url = bucket.presign_read(Method::GET, "a/data", &ResponseHeaders::default()).await.unwrap();
        let get = request(Method::GET, &url, b"").await;
        assert_eq!((get.status(), &get.body()[..]), (StatusCode::OK, &b"bytes"[..]), "{name}");
        assert_eq!(get.headers()["content-type"], "application/octet-stream", "{name}");
        assert_eq!(get.headers()["content-disposition"], "attachment", "{name}");
        let url = bucket.presign_read(Method::HEAD, "a/data", &ResponseHeaders::default()).await.unwrap();
        let head = request(Method::HEAD, &url, b"").await;
        assert_eq!(
            (head.status(), &head.headers()["content-length"]),
            (StatusCode::OK, &"5".parse().unwrap()),
            "{name}"
        );
        assert_eq!(request(Method::DELETE, &url, b"").await.status(), StatusCode::FORBIDDEN, "{name}");
        let other = url.replace("/a/data", "/a/date");
        assert_eq!(request(Method::GET, &other, b"").await.status(), StatusCode::FORBIDDEN, "{name}");
        // A blob of parts is served in the same way.
        let id = bucket.create_multipart("a/parts").await.unwrap();
        let etag = send(&bucket, "a/parts", &id, 1, b"parts").await;
        bucket.complete_multipart("a/parts", &id, &[(1, etag)]).await.unwrap();
        let url = bucket.presign_read(Method::GET, "a/parts", &ResponseHeaders::default()).await.unwrap();
        assert_eq!(request(Method::GET, &url, b"").await.headers()["content-disposition"], "attachment", "{name}");
    }
}

#[tokio::test]
async fn no_part_goes_past_the_hold() {
    for (name, settings) in accounts_here() {
        let bucket = open(&settings);
        assert!(!bucket.signs_parts(), "{name}");
        bucket.presign_part("a/data", "blocks", 1).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_part_that_is_no_block_is_refused_before_it_is_sent() {
    for account in accounts_here() {
        let hold = Hold::in_remote(&remote(account), UploadLimits::default()).await;
        let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
        let (number, size_bytes) = (part_number(1), (4_000 << 20) + 1);
        let sent = hold.blobs.upload_part(part_request(id, &alice(), number, Some(size_bytes)), frames(b"begun")).await;
        let refused = sent.unwrap_err();
        assert!(matches!(refused, BlobError::PartTooLarge { limit_bytes: 4_194_304_000 }), "{}: {refused}", hold.name);
    }
}

#[tokio::test]
async fn blocks_are_forgotten_and_objects_are_not() {
    for (name, settings) in accounts_here() {
        let bucket = open(&settings);
        let id = bucket.create_multipart("u/data").await.unwrap();
        assert_eq!(bucket.list_parts("u/data", &id).await.unwrap(), None, "{name}");
        let etag = send(&bucket, "u/data", &id, 1, b"whole").await;
        assert_eq!(bucket.list_parts("u/data", &id).await.unwrap().unwrap().len(), 1, "{name}");
        assert_eq!(bucket.stat("u/data").await.unwrap(), None, "{name}: nothing is visible before");
        bucket.abort_multipart("u/data", &id).await.unwrap();
        bucket.abort_multipart("u/data", &id).await.unwrap();
        assert_eq!(bucket.list_parts("u/data", &id).await.unwrap(), None, "{name}");
        assert_eq!(bucket.stat("u/data").await.unwrap(), None, "{name}");
        // Azurite itself keeps blocks for good; one that is nowhere is unknown everywhere.
        let completed = bucket.complete_multipart("u/none", &id, &[(1, etag)]).await.unwrap();
        assert_eq!(completed, Completed::Unknown, "{name}");

        bucket.put("u/data", b"an object".as_slice()).await.unwrap();
        send(&bucket, "u/data", &id, 1, b"late").await;
        bucket.abort_multipart("u/data", &id).await.unwrap();
        assert_eq!(bucket.stat("u/data").await.unwrap().unwrap().size_bytes, 9, "{name}");
    }
}

#[tokio::test]
async fn the_probe_leaves_a_container_as_it_was() {
    for (name, settings) in accounts_here() {
        let bucket = open(&settings);
        let probed = bucket.probe("one", now_us).await.unwrap();
        assert!(probed.clock_ahead_s.is_some_and(|seconds| seconds.abs() < 10), "{name}: {probed:?}");
        assert!(probed.refuses_wrong_checksum, "{name}");
        let objects = atcr_hold::objects::Objects::in_bucket(bucket);
        let left: Vec<_> = objects.list("").try_collect().await.unwrap();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[tokio::test]
async fn each_mistake_is_one_line_that_says_what_to_do() {
    for (name, settings) in accounts_here() {
        let (_socket, nobody) = nobody_listens();
        let nobody = format!("http://{nobody}/{}", settings.account);
        let mistake = |change: &dyn Fn(&mut AzureSettings)| {
            let mut changed = settings.clone();
            change(&mut changed);
            open(&changed)
        };
        let container = mistake(&|settings| settings.container = "there-is-none".into());
        let key = mistake(&|settings| settings.access_key = "MDAwMA==".to_owned().into());
        let address = mistake(&|settings| settings.endpoint = Some(nobody.clone()));
        let refused = key.put("k", b"x".as_slice()).await.unwrap_err();
        assert!(matches!(refused, StorageError::Refused(_)), "{name}: {refused:?}");
        let absent = container.put("k", b"x".as_slice()).await.unwrap_err();
        assert!(matches!(absent, StorageError::Refused(_)), "{name}: {absent:?}");
        let lines = [
            (container.probe("one", now_us).await.unwrap_err(), "AZURE_STORAGE_CONTAINER_NAME", true),
            (key.probe("one", now_us).await.unwrap_err(), "AZURE_STORAGE_ACCOUNT_KEY", true),
            (address.probe("one", now_us).await.unwrap_err(), "AZURE_STORAGE_ENDPOINT", false),
            (open(&settings).probe("one", an_hour_ahead_us).await.unwrap_err(), "clock", false),
        ];
        for (error, word, is_lasting) in lines {
            let text = error.to_string();
            assert_eq!(matches!(error, ProbeError::Settings(_)), is_lasting, "{name}: {text}");
            assert!(text.contains(word) && !text.contains('\n') && !text.contains("127.0.0.1"), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn a_copy_that_fails_later_says_why() {
    let copy = async |ended: String| {
        let begun = answer("202 Accepted", "x-ms-copy-status: pending\r\n", "");
        let (endpoint, _) = serve([begun, ended]).await;
        let settings = AzureSettings {
            account: "account".into(),
            container: "container".into(),
            access_key: "MDAwMA==".to_owned().into(),
            endpoint: Some(format!("{endpoint}/account")),
            prefix: String::new(),
        };
        open(&settings).copy_pinned(CopySource { key: "from", etag: "\"e\"", size_bytes: 5 }, "to").await
    };
    let status = |status: &str, reason: &str| {
        let reason = if reason.is_empty() { String::new() } else { format!("{REASON}: {reason}\r\n") };
        answer("200 OK", &format!("x-ms-copy-status: {status}\r\n{reason}"), "")
    };
    for (ended, text) in [
        (status("failed", "500 InternalServerError \"Copy failed.\""), "the store answered 500 InternalServerError"),
        (status("aborted", ""), "the store answered 500 CopyFailed"),
        (missing(), "the store answered 500 CopyFailed"),
    ] {
        let error = copy(ended).await.unwrap_err();
        assert!(matches!(error, StorageError::Unavailable(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("storage is unavailable: {text}"));
    }
    for reason in ["404 BlobNotFound", "412 ConditionNotMet"] {
        let ended = status("failed", &format!("{reason} \"Copy failed when reading the source.\""));
        assert_eq!(copy(ended).await.unwrap(), Copied::SourceChanged);
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_told_without_showing_it() {
    let settings = AzureSettings {
        account: "account".into(),
        container: "container".into(),
        access_key: "not base64!".to_owned().into(),
        endpoint: None,
        prefix: String::new(),
    };
    let error = Bucket::open(&BucketSettings::Azure(settings.clone())).map(drop).unwrap_err();
    assert!(error.to_string().contains("key") && !error.to_string().contains("base64!"), "{error}");
    assert!(!format!("{settings:?}").contains("base64!"));
}
