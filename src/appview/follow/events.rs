//! Follows a source of events: connects, takes in what it tells, goes on where it was.

use std::time::Duration;

use tokio::time::Instant;

use super::firehose::{self, Frame};
use super::{Follow, jetstream};
use crate::index::Change;
use server::egress::{EgressError, SocketMessage, WebSocket};
use server::metrics::{Counter, CounterBy, Gauge};
use server::storage::StorageError;

/// A frame of the firehose has 5 MB at most; a message of Jetstream a record of 1 MB in JSON.
const MAX_MESSAGE_BYTES: usize = 6 * 1024 * 1024;
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// Changes of one transaction, and how long the first of them waits for more.
const BATCH: usize = 500;
const BATCH_TIME: Duration = Duration::from_millis(250);
/// The same of events that change nothing: how far they are is written down all the same.
const IDLE_BATCH_TIME: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(60);
/// Jetstream keeps events for one day at least.
const KEPT_US: u64 = 24 * 60 * 60 * 1_000_000;
/// Numbers of Jetstream are times, the same at each of its hosts.
const JETSTREAM: &str = "jetstream";

server::label! {
    /// A kind of events.
    pub enum EventKind {
        /// Records changed.
        Commit = "commit",
        /// An account may have another handle.
        Identity = "identity",
        /// An account is active or not.
        Account = "account",
        /// What is no event that we know.
        Unknown = "unknown",
    }
}

/// What was followed since the start.
#[derive(Debug, Default)]
pub struct FollowCounts {
    /// Events by kind.
    pub events: CounterBy<EventKind>,
    /// Changes of the index that they came to.
    pub changes: Counter,
    /// Records of the index's collections that are not of their form, so that nothing was taken of them.
    pub refused: Counter,
    /// Connections that ended or could not be made.
    pub failures: Counter,
    /// 1 while there is a connection.
    pub connected: Gauge,
    /// When the last message came; microseconds since 1970.
    pub heard_us: Gauge,
    /// How long before that its event happened, in microseconds, where it says so.
    pub lag_us: Gauge,
}

/// What one message tells.
pub(super) struct Told {
    pub(super) kind: EventKind,
    /// How far the source is.
    pub(super) cursor: Option<u64>,
    /// When it happened.
    pub(super) at_us: Option<u64>,
    pub(super) changes: Vec<Change>,
    /// Records that are not of their form.
    pub(super) refused: u64,
}

/// A source of events.
#[derive(Clone, Copy)]
enum Source<'s> {
    Jetstream(&'s str),
    Firehose(&'s str),
}

impl Source<'_> {
    /// The name under which it is written down how far it was followed.
    fn name(self) -> String {
        match self {
            Self::Jetstream(_) => JETSTREAM.to_owned(),
            Self::Firehose(url) => url.to_owned(),
        }
    }

    fn url(self, cursor: Option<u64>) -> String {
        match self {
            Self::Jetstream(url) => jetstream::url(url, cursor),
            Self::Firehose(url) => firehose::url(url, cursor),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Connection(#[from] EgressError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("it says: {0}")]
    Said(String),
}

/// What was told and is not in the index yet.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    cursor: Option<u64>,
    since: Option<Instant>,
}

impl Batch {
    /// How long the batch waits for more.
    fn patience(&self) -> Duration {
        let time = if self.changes.is_empty() { IDLE_BATCH_TIME } else { BATCH_TIME };
        self.since.map_or(Duration::from_secs(3600), |since| time.saturating_sub(since.elapsed()))
    }
}

impl Follow {
    /// Follows the sources, one after the other, as long as the registry runs; returns at once where there is none.
    pub async fn keep_following(&self) {
        let jetstreams = self.settings.jetstream_urls.iter().map(|url| Source::Jetstream(url));
        let mut sources: Vec<_> = jetstreams.collect();
        if sources.is_empty() {
            sources.extend(self.settings.relay_url.as_deref().map(Source::Firehose));
        }
        let mut pause = FIRST_PAUSE;
        for source in sources.iter().copied().cycle() {
            let began = Instant::now();
            let Err(ended) = self.follow(source).await;
            self.counts.connected.set(0);
            self.counts.failures.inc();
            pause = if began.elapsed() > GOOD { FIRST_PAUSE } else { pause };
            tracing::warn!(source = source.name(), pause_s = pause.as_secs(), "events are not followed: {ended}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows a source until it fails.
    async fn follow(&self, source: Source<'_>) -> Result<std::convert::Infallible, Ended> {
        let name = source.name();
        let cursor = self.index.cursor(&name).await?;
        let url = source.url(cursor);
        let mut socket = self.http.websocket(&url, MAX_MESSAGE_BYTES, CONNECT_TIME).await?;
        self.counts.connected.set(1);
        tracing::info!(source = name, cursor, "events are followed");
        if let Source::Jetstream(_) = source {
            let now_us = (self.clock)();
            match cursor {
                // From here on a restart misses nothing, though nothing may happen for hours.
                None => self.index.take(Vec::new(), Some((name.clone(), now_us))).await?,
                Some(cursor) if now_us.saturating_sub(cursor) > KEPT_US => self.missed().await?,
                Some(_) => {}
            }
        }
        let mut batch = Batch::default();
        let ended = loop {
            if let Err(ended) = self.step(source, &name, &mut socket, &mut batch).await {
                break ended;
            }
        };
        self.flush(&name, &mut batch).await?;
        socket.close().await;
        Err(ended)
    }

    async fn step(
        &self,
        source: Source<'_>,
        name: &str,
        socket: &mut WebSocket,
        batch: &mut Batch,
    ) -> Result<(), Ended> {
        let Some(message) = socket.next(batch.patience()).await? else { return Ok(self.flush(name, batch).await?) };
        let now_us = (self.clock)();
        self.counts.heard_us.set(now_us);
        let told = match (source, message) {
            (Source::Jetstream(_), SocketMessage::Text(text)) => jetstream::read(&text, now_us),
            (Source::Firehose(_), SocketMessage::Binary(bytes)) => match firehose::read(&bytes, now_us) {
                Ok(Frame::Told(told)) => Some(told),
                Ok(Frame::Gap) => return Ok(self.missed().await?),
                Ok(Frame::BadCursor(message)) => {
                    // Its numbers began anew: what it has is listed, and followed from now on.
                    self.missed().await?;
                    self.index.forget_cursor(name).await?;
                    return Err(Ended::Said(message));
                }
                Ok(Frame::End(message)) => return Err(Ended::Said(message)),
                Ok(Frame::Nothing) | Err(_) => None,
            },
            _ => None,
        };
        let Some(told) = told else {
            self.counts.events.inc(EventKind::Unknown);
            return Ok(());
        };
        self.counts.events.inc(told.kind);
        self.counts.refused.add(told.refused);
        if let Some(at_us) = told.at_us {
            self.counts.lag_us.set(now_us.saturating_sub(at_us));
        }
        batch.since.get_or_insert_with(Instant::now);
        // Numbers go up: a smaller one is not believed.
        batch.cursor = batch.cursor.max(told.cursor);
        batch.changes.extend(told.changes);
        let is_due = batch.changes.len() >= BATCH || batch.patience().is_zero();
        if is_due { Ok(self.flush(name, batch).await?) } else { Ok(()) }
    }

    /// Takes in what was told, and how far that is.
    async fn flush(&self, name: &str, batch: &mut Batch) -> Result<(), StorageError> {
        let Batch { changes, cursor, since } = std::mem::take(batch);
        if since.is_none() {
            return Ok(());
        }
        self.counts.changes.add(changes.len() as u64);
        self.index.take(changes, cursor.map(|cursor| (name.to_owned(), cursor))).await
    }

    /// Events are missing: the records of all whom we know are listed.
    async fn missed(&self) -> Result<(), StorageError> {
        let accounts = self.index.rebuild().await?;
        tracing::warn!(accounts, "events are missing: the records of all known accounts are listed again");
        Ok(())
    }
}
