//! The firehose of a whole hold over real WebSockets: what subscribers get, and how each of them ends.

mod cursors;
mod endings;
mod handshake;
mod live;

use std::time::Duration;

use atproto::keys::PublicKey;
use atproto::repo::cbor::{self, Ipld};
use atproto::syntax::Did;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use crate::support::did_server::plc;
use crate::support::hold::Hold;
use crate::support::repo_home::CREW;
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::event::Event;

/// A wait that takes longer fails its test.
const PATIENCE: Duration = Duration::from_secs(60);
const PATH: &str = "/xrpc/com.atproto.sync.subscribeRepos";
/// The headers of a handshake, and the answer's Sec-WebSocket-Accept.
const ASKS: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPTED: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

pub(crate) struct Subscriber(WebSocketStream<TcpStream>);

impl Subscriber {
    /// Subscribes with a query such as `?cursor=0`; answers the head of any other answer than 101.
    async fn try_open(hold: &Hold, query: &str) -> Result<Self, String> {
        Self::open_on(TcpStream::connect(("127.0.0.1", hold.port)).await.unwrap(), query).await
    }

    pub(crate) async fn open(hold: &Hold, query: &str) -> Self {
        Self::try_open(hold, query).await.unwrap_or_else(|head| panic!("{head}"))
    }

    /// One whose system takes few bytes that it has not read.
    async fn with_small_buffer(hold: &Hold) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], hold.port).into()).await.unwrap();
        Self::open_on(stream, "").await.unwrap_or_else(|head| panic!("{head}"))
    }

    /// One that comes from 127.0.0.`last`.
    async fn try_open_from(hold: &Hold, last: u8) -> Result<Self, String> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        Self::open_on(socket.connect(([127, 0, 0, 1], hold.port).into()).await.unwrap(), "").await
    }

    async fn open_on(mut stream: TcpStream, query: &str) -> Result<Self, String> {
        stream.write_all(format!("GET {PATH}{query} HTTP/1.1\r\nHost: hold\r\n{ASKS}\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer's head"));
        }
        let head = String::from_utf8(head).unwrap();
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(head);
        }
        assert!(head.contains(ACCEPTED), "{head}");
        Ok(Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await))
    }

    async fn message(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
        message.expect("a message").unwrap()
    }

    async fn frame(&mut self) -> Vec<u8> {
        match self.message().await {
            Message::Binary(frame) => frame.into(),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        Event::decode(&self.frame().await)
    }

    async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }

    /// That the hold answers our close, and the connection ends in order.
    async fn assert_closed_by_us(&mut self) {
        assert!(matches!(self.message().await, Message::Close(_)));
        let end = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("the end in time");
        assert!(end.is_none(), "{end:?}");
    }

    /// That the hold closes now, with this code, and the connection ends in order.
    async fn assert_closed(&mut self, code: u16) {
        match self.message().await {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), code, "{}", frame.reason),
            other => panic!("{other:?} instead of a close"),
        }
        let end = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("the end in time");
        assert!(end.is_none(), "{end:?}");
    }
}

/// A frame of these two parts.
fn frame_of(header: serde_json::Value, body: serde_json::Value) -> Vec<u8> {
    let encode = |value: &serde_json::Value| -> Vec<u8> {
        let value: Ipld = cbor::from_json(value).unwrap();
        cbor::encode(&value).unwrap()
    };
    [encode(&header), encode(&body)].concat()
}

fn error_frame(name: &str, message: &str) -> Vec<u8> {
    frame_of(json!({ "op": -1 }), json!({ "error": name, "message": message }))
}

/// The record of a member, with a note of any length.
pub(crate) fn member_record(member: &Did, note: &str) -> serde_json::Value {
    json!({
        "$type": CREW, "member": member, "role": "member", "permissions": ["blob:read"],
        "addedAt": "2027-01-15T08:00:00.000Z", "note": note,
    })
}

/// Adds so many members in one commit.
async fn add_members(hold: &Hold, numbers: std::ops::Range<u32>, note: &str) {
    let create = |number| {
        let record = member_record(&plc(1000 + number), note);
        json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": CREW, "value": record })
    };
    let input = json!({ "repo": hold.did(), "writes": numbers.map(create).collect::<Vec<_>>() });
    hold.post(&hold.captain, "com.atproto.repo.applyWrites", &input).await.ok();
}

/// Adds or changes the record of the `number`th member: one commit.
async fn put_member(hold: &Hold, number: u32, note: &str) {
    let member = plc(1000 + number);
    let record = member_record(&member, note);
    let input = json!({ "repo": hold.did(), "collection": CREW, "rkey": member, "record": record });
    hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await.ok();
}

async fn delete_member(hold: &Hold, number: u32) {
    let input = json!({ "repo": hold.did(), "collection": CREW, "rkey": plc(1000 + number) });
    hold.post(&hold.captain, "com.atproto.repo.deleteRecord", &input).await.ok();
}

/// A consumer that knows the hold by its DID document alone.
async fn consumer(hold: &Hold) -> Consumer {
    let document = hold.get("/.well-known/did.json").send().await.json();
    let key = document["verificationMethod"][0]["publicKeyMultibase"].as_str().unwrap();
    Consumer::of(Did::parse(&hold.did()).unwrap(), PublicKey::from_multikey(key).unwrap())
}
