//! The session of one subscriber: frames out, pings both ways, and a close with the reason.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_util::sync::CancellationToken;

use crate::pds::{PdsError, Step, Subscription};
use server::wire::{Ended, Io, Upgraded};

/// Interval of pings; proxies close connections that are silent for 60 s.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Pings that may stay unanswered, the last for a whole interval: a machine that stood still had sent none.
const UNANSWERED: u8 = 1;
/// The same after a reader was waited for, which may have much to read before the next ping.
const UNANSWERED_BY_A_SLOW_READER: u8 = 2;
/// A frame that took longer to send than this waited for its reader.
const SLOW_READ: Duration = Duration::from_secs(1);
/// Time-out of the last frame and of the closing handshake.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Limit of a message: subscribers send only control frames, and a close frame has 125 bytes.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;
/// Limit of the messages between two of our pings: subscribers have nothing to say but pongs, and pings of their own.
const MAX_MESSAGES: u32 = 1_000;

/// Sends `events` until the subscriber leaves, falls behind or stops answering pings, or `drain` is cancelled.
pub(in crate::api) async fn run(upgraded: Upgraded, events: Subscription, drain: CancellationToken) -> Ended {
    let config = WebSocketConfig::default()
        .read_buffer_size(MAX_MESSAGE_BYTES)
        // Each frame goes out at once.
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let Upgraded { io, early } = upgraded;
    let socket = WebSocketStream::from_partially_read(io, early, Role::Server, Some(config)).await;
    let mut session = Session { socket, events, pings_left: UNANSWERED, heard: 0, left: false, drain };
    let end = session.until_end().await;
    tracing::debug!(?end, "a subscriber left");
    // A subscriber that does not receive its last frame in time misses it.
    let told = timeout(LAST_WORDS, session.finish(end)).await;
    Ended { io: session.socket.into_inner(), at_rest: session.left || told.is_err() }
}

struct Session {
    socket: WebSocketStream<Box<dyn Io>>,
    events: Subscription,
    /// Number of pings that may be sent before the next sign of the subscriber's presence.
    pings_left: u8,
    /// Number of messages since the last ping.
    heard: u32,
    /// Whether the subscriber has closed.
    left: bool,
    drain: CancellationToken,
}

/// Reasons for the end of a session.
#[derive(Debug)]
enum End {
    /// The subscriber left, or does not answer.
    Gone,
    /// The hold closes, after a last frame.
    Told(Vec<u8>),
    /// The hold closes.
    Close(CloseCode, &'static str),
}

impl End {
    const STOPPING: Self = Self::Close(CloseCode::Away, "the hold stops");

    fn failed(error: &PdsError) -> Self {
        tracing::error!(%error, "events cannot be read");
        Self::Close(CloseCode::Error, "the hold failed; its log says why")
    }
}

impl Session {
    async fn until_end(&mut self) -> End {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(end) = self.turn(&mut pings).await {
                return end;
            }
        }
    }

    /// Handles the next event, ping or message, whichever comes first.
    async fn turn(&mut self, pings: &mut Interval) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.drain.cancelled() => Err(End::STOPPING),
            message = self.socket.next() => self.hear(message),
            _ = pings.tick() => {
                self.heard = 0;
                self.pings_left = self.pings_left.checked_sub(1).ok_or(End::Gone)?;
                self.send(Message::Ping(Bytes::new())).await
            }
            step = self.events.next() => match step {
                Ok(Step::Frames(frames)) => self.send_all(frames).await,
                Ok(Step::End(frame)) => Err(End::Told(frame)),
                Err(error) => Err(End::failed(&error)),
            },
        }
    }

    /// Handles a message of the subscriber: only close and pong matter. The WebSocket library answers pings.
    fn hear(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        self.heard += 1;
        if self.heard > MAX_MESSAGES {
            return Err(End::Close(CloseCode::Policy, "subscribers send no messages"));
        }
        match message {
            Some(Ok(Message::Close(_))) => {
                self.left = true;
                Err(End::Gone)
            }
            None => Err(End::Gone),
            Some(Ok(Message::Pong(_))) => {
                self.pings_left = UNANSWERED;
                Ok(())
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(Error::Capacity(_))) => Err(End::Close(CloseCode::Size, "a message is larger than 4 KiB")),
            Some(Err(Error::Utf8(_))) => Err(End::Close(CloseCode::Invalid, "a text is not UTF-8")),
            Some(Err(Error::Protocol(_))) => Err(End::Close(CloseCode::Protocol, "a frame is malformed")),
            Some(Err(_)) => Err(End::Gone),
        }
    }

    async fn send_all(&mut self, frames: Vec<Bytes>) -> Result<(), End> {
        let begun = Instant::now();
        for frame in frames {
            self.send(Message::Binary(frame)).await?;
        }
        // No message was read meanwhile. A connection that was full and is not any more has a reader.
        if begun.elapsed() >= SLOW_READ {
            self.pings_left = UNANSWERED_BY_A_SLOW_READER;
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        tokio::select! {
            biased;
            sent = self.socket.send(message) => sent.map_err(|_| End::Gone),
            () = self.drain.cancelled() => Err(End::STOPPING),
            frame = self.events.left_behind() => Err(frame.map_or_else(|error| End::failed(&error), End::Told)),
        }
    }

    /// Sends the reason, and waits until the subscriber has closed too.
    async fn finish(&mut self, end: End) -> Result<(), Error> {
        let close = match end {
            End::Gone => None,
            End::Told(frame) => {
                self.socket.send(Message::Binary(frame.into())).await?;
                Some((CloseCode::Policy, "the last frame says why"))
            }
            End::Close(code, reason) => Some((code, reason)),
        };
        if let Some((code, reason)) = close {
            self.socket.close(Some(CloseFrame { code, reason: reason.into() })).await?;
        }
        while let Some(Ok(message)) = self.socket.next().await {
            self.left |= message.is_close();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt as _, DuplexStream};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::pds::{Pds, Plan, RecordChange, RecordWrite};
    use crate::schema;
    use atproto::keys::SigningKey;
    use atproto::lexicon::Swap;
    use atproto::repo::cbor::Ipld;
    use atproto::syntax::{Nsid, RecordKey, ServiceUrl};

    type Client = WebSocketStream<DuplexStream>;

    async fn commit(pds: &Pds, text: String) {
        let change = RecordChange {
            collection: Nsid::parse("com.example.note").unwrap(),
            rkey: RecordKey::parse("a").unwrap(),
            write: RecordWrite::Put(Ipld::String(text)),
            swap: Swap::Any,
        };
        pds.commit::<PdsError, _>(1_800_000_000_000_000, None, move |_| Ok(Plan::of(vec![change]))).await.unwrap();
    }

    async fn repository(directory: &TempDir) -> Pds {
        let database = schema::open(&directory.path().join("hold.db")).unwrap();
        let url = ServiceUrl::parse("https://hold.example.org").unwrap();
        let pds = Pds::new(database, url.did(), &url, SigningKey::from_bytes(&[7; 32]).unwrap(), 1);
        commit(&pds, "first".into()).await;
        pds
    }

    /// A subscriber over a pipe that holds 4 KiB.
    async fn subscribe(pds: &Pds, cursor: Option<i64>) -> (Client, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(4096);
        let events = pds.subscribe(cursor).await.unwrap();
        let upgraded = Upgraded { io: Box::new(server), early: Vec::new() };
        let session = tokio::spawn(async { drop(run(upgraded, events, CancellationToken::new()).await) });
        (WebSocketStream::from_raw_socket(client, Role::Client, None).await, session)
    }

    #[tokio::test]
    async fn who_does_not_read_is_told_so_and_let_go() {
        let directory = TempDir::new().unwrap();
        let pds = repository(&directory).await;
        let (mut client, session) = subscribe(&pds, None).await;
        // One that does not fit into the pipe, and so many behind it that the reader is given up with the last.
        commit(&pds, "x".repeat(100_000)).await;
        // The session has taken it once the first bytes are in the pipe.
        let first = client.get_mut().read_u8().await.unwrap();
        // The session looks again at each commit, so some more than it allows.
        for number in 0..520 {
            commit(&pds, number.to_string()).await;
        }
        let mut bytes = vec![first];
        client.get_mut().read_to_end(&mut bytes).await.unwrap();
        session.await.unwrap();
        let texts = ["ConsumerTooSlow", "the last frame says why"];
        let found: Vec<_> =
            texts.iter().map(|text| bytes.windows(text.len()).position(|part| part == text.as_bytes())).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?}");
        assert!((100_000..110_000).contains(&bytes.len()), "one event and the reason: {}", bytes.len());
    }

    #[tokio::test]
    async fn who_reads_slowly_is_not_taken_for_dead() {
        let directory = TempDir::new().unwrap();
        let pds = repository(&directory).await;
        commit(&pds, "x".repeat(50_000)).await;
        let (mut client, session) = subscribe(&pds, Some(0)).await;
        // About 25 pieces at a pace of ten seconds each: no ping is sent or heard in four minutes.
        let mut piece = [0; 2048];
        client.get_mut().read_exact(&mut piece).await.unwrap();
        // Only now: a clock that stands goes on by leaps while the database is read.
        tokio::time::pause();
        for _ in 1..24 {
            client.get_mut().read_exact(&mut piece).await.unwrap();
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let mut rest = Vec::new();
        let nothing_more = timeout(Duration::from_secs(1), client.get_mut().read_to_end(&mut rest)).await;
        assert!(nothing_more.is_err() && !session.is_finished());
        assert_eq!(rest.last_chunk(), Some(&[0x89, 0]), "after the event it is asked whether it is there");
    }

    #[tokio::test]
    async fn who_sends_messages_without_end_is_let_go() {
        let directory = TempDir::new().unwrap();
        let pds = repository(&directory).await;
        let (client, session) = subscribe(&pds, None).await;
        let (mut to_hold, mut from_hold) = client.split();
        let flood = async { while to_hold.send(Message::text("x")).await.is_ok() {} };
        let closed = async {
            loop {
                match from_hold.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code),
                    Some(Ok(_)) => {}
                    end => panic!("{end:?}"),
                }
            }
        };
        let code = timeout(Duration::from_secs(60), async {
            tokio::select! {
                biased;
                code = closed => code,
                () = flood => panic!("it ended without a word"),
            }
        });
        assert_eq!(code.await.expect("an end"), Some(CloseCode::Policy));
        drop((to_hold, from_hold));
        session.await.unwrap();
    }

    #[tokio::test]
    async fn a_machine_that_stood_still_lets_nobody_go() {
        let directory = TempDir::new().unwrap();
        let pds = repository(&directory).await;
        let (mut client, session) = subscribe(&pds, None).await;
        tokio::task::yield_now().await;
        for _ in 0..2 {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(1000)).await;
            tokio::time::resume();
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
            client.flush().await.unwrap();
        }
        assert!(!session.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_no_ping_is_let_go_after_a_minute() {
        let directory = TempDir::new().unwrap();
        let pds = repository(&directory).await;
        let (mut client, session) = subscribe(&pds, None).await;
        let begin = Instant::now();
        // A client that reads answers pings by itself.
        for _ in 0..10 {
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
        }
        assert_eq!(begin.elapsed().as_secs(), 300);
        session.await.unwrap();
        let elapsed = begin.elapsed().as_secs();
        // Its answer to the last ping would have gone out with its next read.
        assert!((330..=335).contains(&elapsed), "{elapsed}");
    }
}
