//! The probe at start: what it says about each real S3 server, and about each mistake.

use atcr_hold::objects::{Credentials, Objects, ProbeError, Probed, S3Settings};
use futures_util::TryStreamExt as _;

use super::{Bucket, buckets_here, is_lax, nobody_listens};

/// The clock of the tests, which is that of the servers.
#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
pub(super) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

pub(super) fn an_hour_ahead_us() -> u64 {
    now_us() + 3_600_000_000
}

async fn mistake(bucket: &Bucket, change: impl FnOnce(&mut S3Settings)) -> ProbeError {
    let mut settings = bucket.settings.clone();
    change(&mut settings);
    let changed = Bucket { name: bucket.name.clone(), settings };
    let error = changed.open().probe("one", now_us).await.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("127.0.0.1") && !text.contains("test-"), "{text}");
    error
}

#[tokio::test]
async fn a_bucket_that_can_be_used_is_left_as_it_was() {
    for bucket in buckets_here() {
        let (name, s3) = (&bucket.name, bucket.open());
        let probed = s3.probe("one", now_us).await.unwrap();
        let Probed { clock_ahead_s, refuses_wrong_checksum, keeps_versions } = probed;
        assert!(!keeps_versions, "{name}");
        assert!(clock_ahead_s.is_some_and(|seconds| seconds.abs() < 10), "{name}: {clock_ahead_s:?}");
        assert_eq!(refuses_wrong_checksum, !is_lax(name), "{name}");
        let left: Vec<_> = Objects::in_bucket(s3.clone()).list("").try_collect().await.unwrap();
        assert!(left.is_empty(), "{name}: {left:?}");
        let open: Vec<_> = s3.list_multiparts("").try_collect().await.unwrap();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[tokio::test]
async fn each_mistake_is_one_line_that_says_what_to_do() {
    for bucket in buckets_here() {
        let wrong_bucket = mistake(&bucket, |settings| settings.bucket = "there-is-no-such-bucket".into()).await;
        let wrong_secret = mistake(&bucket, |settings| {
            let Credentials::Keys { secret, .. } = &mut settings.credentials else { panic!("keys were given") };
            *secret = "0".repeat(64).into();
        });
        let wrong_secret = wrong_secret.await;
        let wrong_id = mistake(&bucket, |settings| {
            let Credentials::Keys { id, .. } = &mut settings.credentials else { panic!("keys were given") };
            *id = "GK000000000000000000000000".to_owned().into();
        });
        let wrong_id = wrong_id.await;
        for (error, word) in [(&wrong_bucket, "S3_BUCKET"), (&wrong_secret, "correct"), (&wrong_id, "correct")] {
            assert!(matches!(error, ProbeError::Settings(text) if text.contains(word)), "{}: {error:?}", bucket.name);
        }
        if bucket.name == "garage" {
            let wrong_region = mistake(&bucket, |settings| settings.region = "us-east-1".into()).await;
            let told = matches!(&wrong_region, ProbeError::Settings(text) if text.contains("AWS_REGION"));
            assert!(told, "{wrong_region:?}");
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_will_not() {
    for bucket in buckets_here() {
        let skewed = bucket.open().probe("one", an_hour_ahead_us).await.unwrap_err();
        assert!(matches!(&skewed, ProbeError::Unavailable(text) if text.contains("clock")), "{skewed:?}");
        let (_socket, nobody) = nobody_listens();
        let gone = mistake(&bucket, |settings| settings.endpoint = Some(format!("http://{nobody}"))).await;
        assert!(matches!(&gone, ProbeError::Unavailable(text) if text.contains("S3_ENDPOINT")), "{gone:?}");
    }
}
