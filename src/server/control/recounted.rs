//! Numbers for a page of metrics that a database or a file system must be asked for.

use std::time::Instant;

use tokio::sync::Mutex;

/// What is counted is counted again after so many times as long as it took: a hundredth of one processor at most, whoever
/// asks how often.
const REST: u32 = 100;

/// Numbers that take time to count, and until when the last ones are shown.
#[derive(Debug)]
pub struct Recounted<T>(Mutex<Option<(T, Instant)>>);

impl<T> Default for Recounted<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Recounted<T> {
    /// Returns the numbers, counted anew by `count` when they are too old. Concurrent callers wait for the same count.
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
