//! Numbers for a page of metrics that are counted in a database or a file system.

use std::time::Instant;

use tokio::sync::Mutex;

/// Numbers are kept for this many times as long as it took to count them: counting takes at most a hundredth of one
/// processor, however often they are read.
const REST: u32 = 100;

/// Numbers that take time to count, and until when they are valid.
#[derive(Debug)]
pub struct Recounted<T>(Mutex<Option<(T, Instant)>>);

impl<T> Default for Recounted<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Recounted<T> {
    /// Returns the numbers, counted anew by `count` when they are too old. Concurrent callers share one count.
    pub async fn get(&self, count: impl Future<Output = T>) -> T {
        let mut kept = self.0.lock().await;
        if let Some((numbers, until)) = kept.as_ref()
            && Instant::now() < *until
        {
            return numbers.clone();
        }
        let begun = Instant::now();
        let numbers = count.await;
        let took = begun.elapsed();
        *kept = Some((numbers.clone(), Instant::now() + took * REST));
        numbers
    }
}
