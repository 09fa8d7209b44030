//! Threads for reads alone.
//!
//! Those of the runtime do the work on files, which may wait for a disk for minutes, or hash blobs. A read that waited
//! for one of them would let the database look as if it hung.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The workers of the readers, the few jobs that last as long as a client reads, and some that only look at files.
const MAX_THREADS: usize = 16;
/// Time-out of the wait for jobs at the end: those of a client that is gone end with their next page.
const LAST_JOBS: Duration = Duration::from_secs(5);

pub(super) struct Threads {
    /// No task ever runs in it, only jobs that block. Taken when dropped.
    runtime: Option<Runtime>,
    jobs: TaskTracker,
}

impl Threads {
    pub(super) fn new() -> io::Result<Self> {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.thread_name("sqlite-reader").max_blocking_threads(MAX_THREADS).build()?;
        Ok(Self { runtime: Some(runtime), jobs: TaskTracker::new() })
    }

    /// Runs `job` on one of the threads, also when its caller is dropped.
    pub(super) fn spawn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let Some(runtime) = &self.runtime else { unreachable!("only dropping takes it") };
        self.jobs.spawn_blocking_on(job, runtime.handle())
    }

    /// Waits until no job is under way, or for five seconds.
    pub(super) async fn settle(&self) {
        self.jobs.close();
        let _ = tokio::time::timeout(LAST_JOBS, self.jobs.wait()).await;
    }
}

impl Drop for Threads {
    /// Does not wait for the threads: one of them may drop the last handle.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::sqlite::{Database, Schema};
    use crate::storage::StorageError;

    const SCHEMA: Schema = Schema { program: "test", application_id: 1, migrations: &["CREATE TABLE a (b)"] };

    #[test]
    fn reads_wait_for_no_work_on_files() {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("a.db"), &SCHEMA).unwrap();
        runtime.block_on(async {
            let (disk, hanging) = mpsc::channel::<()>();
            let file = tokio::task::spawn_blocking(move || hanging.recv());
            let reads = async {
                database.read(|_| Ok::<_, StorageError>(())).await?;
                database.snapshot(|_| Ok::<_, StorageError>(())).await?;
                database.reserve(0, 0).await?;
                database.sizes().await
            };
            tokio::time::timeout(Duration::from_secs(60), reads).await.expect("reads wait for a disk").unwrap();
            drop(disk);
            file.await.unwrap().unwrap_err();
        });
    }
}
