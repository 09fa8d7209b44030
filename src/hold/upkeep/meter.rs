//! Counts the bytes that are read, limits their rate, and reports the progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Counts bytes and limits the rate of all readers together.
pub(super) struct Meter {
    done: AtomicU64,
    total: u64,
    began: Instant,
    bytes_per_s: Option<u64>,
    report: Box<dyn Fn(u64, u64) + Send + Sync>,
}

impl Meter {
    /// Makes a meter. `report` is called with the bytes done and the total.
    pub(super) fn new(
        total: u64,
        bytes_per_s: Option<u64>,
        report: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Arc<Self> {
        report(0, total);
        let report = Box::new(report);
        Arc::new(Self { done: AtomicU64::new(0), total, began: Instant::now(), bytes_per_s, report })
    }

    /// Adds bytes that were read. Waits until the rate is within the limit.
    pub(super) async fn read(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.report)(done.min(self.total), self.total);
        if let Some(bytes_per_s) = self.bytes_per_s {
            let due = u128::from(done) * 1_000_000 / u128::from(bytes_per_s.max(1));
            let due = self.began + Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX));
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readers_together_keep_to_the_rate() {
        let meter = Meter::new(1000, Some(100), |_, _| {});
        let began = Instant::now();
        let reader = async {
            for _ in 0..50 {
                meter.read(10).await;
            }
        };
        tokio::join!(reader, async {
            for _ in 0..50 {
                meter.read(10).await;
            }
        });
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
