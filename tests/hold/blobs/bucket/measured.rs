//! Parts that go past the hold are measured, count in the quota, and end with their upload beyond a limit.

use std::sync::Arc;
use std::time::Duration;

use atcr_hold::blobs::{BlobError, QuotaLimits, UploadLimits};
use atproto::syntax::Did;
use futures_util::FutureExt as _;
use server::sqlite::Read;
use server::storage::StorageError;

use super::{MIB, begin, complete, holds_with, put, put_all, three_parts};
use crate::objects::pattern;
use crate::support::blob_hold::{Hold, digest};

/// Everybody may have 14 MiB.
struct Fourteen;

impl QuotaLimits for Fourteen {
    fn limit_bytes(&self, _: &Read<'_>, _: &Did) -> Result<Option<u64>, StorageError> {
        Ok(Some(14 * MIB as u64))
    }
}

async fn holds() -> Vec<Hold> {
    let holds = holds_with(&UploadLimits { max_part_bytes: 6 * MIB as u64, ..UploadLimits::default() }).await;
    holds.iter().for_each(|hold| hold.blobs.set_quota_limits(Arc::new(Fourteen)));
    holds
}

async fn used(hold: &Hold) -> u64 {
    hold.blobs.account_usages().await.unwrap().iter().map(|(_, usage)| usage.total_bytes()).sum()
}

fn passed(hold: &Hold, limit: &str) -> u64 {
    hold.blobs.counts().passed_limit.iter().find(|(name, _)| *name == limit).map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn what_the_store_has_counts_and_what_is_too_much_is_aborted() {
    for hold in holds().await {
        let kept = begin(&hold).await;
        put(&hold, &kept, 1, &pattern(5 * MIB)).await;
        assert_eq!(hold.blobs.measure_uploads().await.unwrap(), 0, "{}", hold.name);
        assert_eq!(used(&hold).await, 5 * MIB as u64);

        let large = begin(&hold).await;
        put(&hold, &large, 1, &pattern(7 * MIB)).await;
        assert_eq!(hold.blobs.measure_uploads().await.unwrap(), 1, "{}", hold.name);
        assert!(!hold.is_staged(&large).await);
        assert_eq!(passed(&hold, "part"), 1);

        let over = begin(&hold).await;
        for number in [1, 2] {
            put(&hold, &over, number, &pattern(5 * MIB)).await;
        }
        assert_eq!(hold.blobs.measure_uploads().await.unwrap(), 1, "{}", hold.name);
        assert!(!hold.is_staged(&over).await && hold.is_staged(&kept).await);
        assert_eq!(passed(&hold, "quota"), 1);
        assert_eq!(used(&hold).await, 5 * MIB as u64);
    }
}

#[tokio::test]
async fn completion_finds_what_was_not_measured_yet() {
    for hold in holds().await {
        let whole = three_parts();
        let id = begin(&hold).await;
        let list = put_all(&hold, &id, &whole).await;
        complete(&hold, &id, &whole, &list).await.unwrap();
        let again = pattern(12 * MIB);
        let id = begin(&hold).await;
        let list = put_all(&hold, &id, &again).await;
        let refused = complete(&hold, &id, &again, &list).await;
        assert!(matches!(refused, Err(BlobError::QuotaExceeded { .. })), "{}: {refused:?}", hold.name);
        assert_eq!(hold.blobs.measure_uploads().await.unwrap(), 1, "{}", hold.name);
        assert!(!hold.is_staged(&id).await);
        assert_eq!(used(&hold).await, whole.len() as u64);
    }
}

#[tokio::test]
async fn an_upload_that_is_being_completed_keeps_no_measurement_from_the_others() {
    for hold in holds().await {
        let (completing, other, large) = (begin(&hold).await, begin(&hold).await, pattern(7 * MIB));
        let list = [(1, put(&hold, &completing, 1, &large).await)];
        put(&hold, &other, 1, &large).await;
        let digests = hold.blobs.digests();
        let busy = digests.lock(&digest(&large)).await;
        let mut completed = Box::pin(complete(&hold, &completing, &large, &list));
        assert!(completed.as_mut().now_or_never().is_none(), "it waits for the digest, and has the lock of the upload");
        let measured = tokio::time::timeout(Duration::from_secs(60), hold.blobs.measure_uploads()).await;
        assert_eq!(measured.expect("it waits for the one").unwrap(), 1, "{}", hold.name);
        drop(busy);
        completed.await.unwrap();
    }
}
