//! A subscriber to the firehose of a process, and a consumer behind it that keeps what it was told.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use atproto::keys::PublicKey;
use atproto::syntax::Did;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket};
use tokio_tungstenite::tungstenite::{self};

use super::dice::Dice;
use super::process::PATIENCE;
use crate::support::http::blocking::{Client, Place};
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::event::Event;

pub(super) struct Subscriber(WebSocket<TcpStream>);

#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Frame(Vec<u8>),
    /// The end, with the code of the close frame when there was one.
    End(Option<u16>),
}

impl Subscriber {
    /// Asks for the events after `cursor`, or for new ones. An error is that nobody answers.
    pub(super) fn open(client: &Client, cursor: Option<i64>) -> io::Result<Self> {
        let Place::Tcp(address) = &client.place else { panic!("subscribers come over TCP") };
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        write!(
            stream,
            "GET /xrpc/com.atproto.sync.subscribeRepos{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let (mut head, mut byte) = (vec![], [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => head.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Ok(Self(WebSocket::from_raw_socket(stream, Role::Client, None)))
    }

    /// The next frame, or the end.
    pub(super) fn hear(&mut self) -> Heard {
        loop {
            match self.0.read() {
                Ok(Message::Binary(frame)) => return Heard::Frame(frame.into()),
                Ok(Message::Close(frame)) => return Heard::End(frame.map(|frame| frame.code.into())),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return Heard::End(None),
            }
        }
    }

    pub(super) fn frame(&mut self) -> Vec<u8> {
        match self.hear() {
            Heard::Frame(frame) => frame,
            Heard::End(code) => panic!("the end, {code:?}, instead of a frame"),
        }
    }
}

/// Everything that one consumer was told, checked event by event.
pub(super) struct History {
    pub(super) consumer: Consumer,
    pub(super) frames: Vec<Vec<u8>>,
    /// The revisions of all commits.
    pub(super) revs: BTreeSet<String>,
    dice: Dice,
}

impl History {
    /// A consumer that knows nothing but the DID document.
    pub(super) fn new(client: &Client, dice: Dice) -> Self {
        let document = client.get("/.well-known/did.json").json();
        let key = document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
        let did = Did::parse(document["id"].as_str().unwrap()).unwrap();
        let consumer = Consumer::of(did, PublicKey::from_multikey(key).unwrap());
        Self { consumer, frames: vec![], revs: BTreeSet::new(), dice }
    }

    pub(super) fn take(&mut self, frame: Vec<u8>) {
        let event = Event::decode(&frame);
        self.consumer.take(&event);
        if event.kind == "#commit" {
            assert!(self.revs.insert(event.text("rev").to_owned()), "no revision twice");
        }
        self.frames.push(frame);
    }

    /// Takes events until the hold ends or closes; answers the code of its close frame. Leaves now and then, with
    /// events under way, and comes back with its cursor.
    pub(super) fn follow(&mut self, client: &Client) -> Option<u16> {
        loop {
            let mut subscriber = Subscriber::open(client, Some(self.consumer.seq)).ok()?;
            for _ in 0..=self.dice.below(60) {
                match subscriber.hear() {
                    Heard::Frame(frame) => self.take(frame),
                    Heard::End(code) => return code,
                }
            }
        }
    }

    /// Takes events until it is where the hold is, which must be quiet.
    pub(super) fn catch_up(&mut self, client: &Client) {
        let latest = client.get("/xrpc/com.atproto.sync.getLatestCommit?did=did:web:localhost%253A8080");
        let mut subscriber = Subscriber::open(client, Some(self.consumer.seq)).unwrap();
        while self.consumer.rev.as_ref().is_none_or(|rev| rev.as_str() != latest.field("rev")) {
            self.take(subscriber.frame());
        }
    }
}
