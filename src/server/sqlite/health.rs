//! The health of the database: whether its readers and its writer make progress.
//!
//! Readers and writer record the end of each job. A health check reads these records and waits in no queue, so it
//! answers at once however many jobs wait. [`Database::probe`] makes sure that there are jobs to record
//! while there are no others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Database;
use crate::nonpoison::Mutex;
use crate::storage::StorageError;

/// The health of a database's readers and writer. Cheap to clone; it does not keep the database open.
#[derive(Clone, Default)]
pub struct DatabaseHealth(Arc<Notes>);

#[derive(Default)]
struct Notes {
    readers: Progress,
    writer: Progress,
    /// The error of the last probe.
    failure: Mutex<Option<String>>,
}

/// Reasons why a database is unhealthy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhealthy {
    /// A job waits, and no read has ended for this time.
    #[error("the database does not answer: no read has ended for {} s", .0.as_secs())]
    Readers(Duration),
    /// A job waits, and no write has ended for this time.
    #[error("the database does not answer: no write has ended for {} s", .0.as_secs())]
    Writer(Duration),
    /// The last probe failed with this error.
    #[error("the database does not answer: {0}")]
    Failing(String),
}

impl DatabaseHealth {
    /// The stall after which a health check fails: as long as a request waits to write.
    pub const MAX_STALL: Duration = Duration::from_secs(10);

    /// Checks that readers and writer made progress in the last `max_stall`, where they had something to do, and that
    /// the last probe succeeded.
    ///
    /// # Errors
    /// [`Unhealthy`]
    pub fn check(&self, max_stall: Duration) -> Result<(), Unhealthy> {
        let Notes { readers, writer, failure } = &*self.0;
        if let Some(stalled) = writer.stalled().filter(|stalled| *stalled >= max_stall) {
            return Err(Unhealthy::Writer(stalled));
        }
        if let Some(stalled) = readers.stalled().filter(|stalled| *stalled >= max_stall) {
            return Err(Unhealthy::Readers(stalled));
        }
        failure.lock().clone().map_or(Ok(()), |reason| Err(Unhealthy::Failing(reason)))
    }

    pub(super) fn read_begins(&self) -> UnderWay {
        UnderWay::begin(Arc::clone(&self.0), |notes| &notes.readers)
    }

    pub(super) fn write_begins(&self) -> UnderWay {
        UnderWay::begin(Arc::clone(&self.0), |notes| &notes.writer)
    }
}

impl Database {
    /// Writes and reads at intervals of `every`, without end, so that [`DatabaseHealth`] knows the state of a database
    /// that is idle otherwise. One probe at a time, however long it waits.
    pub async fn probe(&self, every: Duration) {
        // An interval panics at zero.
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let failure = self.ping().await.err().map(|error: StorageError| error.to_string());
            *self.health.0.failure.lock() = failure;
        }
    }
}

/// The progress of one of the two queues.
#[derive(Default)]
struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    /// Number of jobs requested and not ended.
    under_way: usize,
    /// Time of the last end of a job, or of the first request after an idle time.
    progressed: Option<Instant>,
}

impl Progress {
    /// Returns how long no job has ended although one is under way.
    fn stalled(&self) -> Option<Duration> {
        let state = self.0.lock();
        state.progressed.filter(|_| state.under_way > 0).map(|at| at.elapsed())
    }
}

/// A job under way, from its request to its end, or until its caller drops it.
pub(super) struct UnderWay {
    notes: Arc<Notes>,
    queue: fn(&Notes) -> &Progress,
}

impl UnderWay {
    fn begin(notes: Arc<Notes>, queue: fn(&Notes) -> &Progress) -> Self {
        let mut state = queue(&notes).0.lock();
        if state.under_way == 0 {
            state.progressed = Some(Instant::now());
        }
        state.under_way += 1;
        drop(state);
        Self { notes, queue }
    }

    /// Records the end of the job.
    pub(super) fn end(self) {
        (self.queue)(&self.notes).0.lock().progressed = Some(Instant::now());
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        (self.queue)(&self.notes).0.lock().under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::Unhealthy;
    use crate::sqlite::{Database, Read, Schema, Write};
    use crate::storage::StorageError;

    const SCHEMA: Schema = Schema { program: "test", application_id: 1, migrations: &["CREATE TABLE a (b)"] };
    const LONG: Duration = Duration::from_mins(10);

    /// A gate at which jobs wait until the sender is dropped.
    #[derive(Clone)]
    struct Gate(Arc<Mutex<Receiver<()>>>);

    impl Gate {
        fn closed() -> (Sender<()>, Self) {
            let (sender, receiver) = channel();
            (sender, Self(Arc::new(Mutex::new(receiver))))
        }

        fn read(&self, _: &Read<'_>) -> Result<(), StorageError> {
            self.0.lock().unwrap().recv().unwrap_err();
            Ok(())
        }

        fn write(&self, write: &Write<'_>) -> Result<(), StorageError> {
            self.read(write)
        }
    }

    #[tokio::test]
    async fn it_is_known_at_once_while_all_readers_and_the_writer_are_busy() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db"), &SCHEMA).unwrap();
        let health = database.health();
        assert_eq!(health.check(Duration::ZERO), Ok(()), "nothing to do is no stall");
        let (closed, gate) = Gate::closed();
        let mut jobs = Vec::new();
        for _ in 0..20 {
            let (database, gate) = (database.clone(), gate.clone());
            jobs.push(tokio::spawn(async move { database.read(move |read: &Read<'_>| gate.read(read)).await }));
        }
        tokio::task::yield_now().await;
        assert!(matches!(health.check(Duration::ZERO), Err(Unhealthy::Readers(_))));
        for _ in 0..20 {
            let (database, gate) = (database.clone(), gate.clone());
            jobs.push(tokio::spawn(async move { database.write(move |write: &Write<'_>| gate.write(write)).await }));
        }
        let asked = tokio::spawn({
            let database = database.clone();
            async move { database.ping().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!asked.is_finished(), "a question to the database waits");
        assert_eq!(health.check(LONG), Ok(()), "it is busy, which is no fault");
        assert!(matches!(health.check(Duration::from_millis(10)), Err(Unhealthy::Writer(_))));

        drop(closed);
        for job in jobs.into_iter().chain([asked]) {
            job.await.unwrap().unwrap();
        }
        assert_eq!(health.check(Duration::ZERO), Ok(()));
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_nothing_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db"), &SCHEMA).unwrap();
        let (closed, gate) = Gate::closed();
        let mut jobs = Vec::new();
        // More than wait in the writer's queue.
        for _ in 0..400 {
            let (database, gate) = (database.clone(), gate.clone());
            jobs.push(tokio::spawn(async move { database.write(move |write: &Write<'_>| gate.write(write)).await }));
        }
        tokio::task::yield_now().await;
        jobs.iter().for_each(tokio::task::JoinHandle::abort);
        drop(closed);
        database.settle().await;
        assert_eq!(database.health().check(Duration::ZERO), Ok(()));
    }
}
