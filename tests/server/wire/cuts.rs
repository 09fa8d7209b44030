//! The layer gives the same answers however the network cuts the bytes up.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use proptest::prelude::*;
use server::daemon::Activity;
use server::wire::{Connection, HttpLimits, Peer, serve};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{Stage, echo};

/// A connection that delivers one piece a read, then its end, and keeps what is written.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    /// Between two pieces the reader is made to wait once.
    ready: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.front_mut() {
            let count = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// All answers to `pieces`, without the date lines.
fn answers(pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
    let written = Arc::new(Mutex::new(Vec::new()));
    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    let script = Script { pieces, ready: false, written: Arc::clone(&written) };
    let handler = |request| echo(Stage::default(), request);
    let (drain, activity) = (CancellationToken::new(), Activity::default());
    let connection = Connection { io: script, peer: Peer::Unix, drain, activity, files: None };
    let serving = serve(connection, HttpLimits::default(), handler);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serving);
    let text = String::from_utf8_lossy(&written.lock().unwrap()).into_owned();
    text.lines().filter(|line| !line.starts_with("date:")).fold(String::new(), |all, line| all + line + "\n")
}

/// Requests of every framing in one pipeline, and a last one that is refused.
fn pipeline(refused: &str) -> Vec<u8> {
    format!(
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\
         PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET / HTT\
         \r\nPUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=\"0\"\r\nfirst\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n\
         HEAD /known HTTP/1.1\r\nHost: a\r\n\r\n{refused}"
    )
    .into_bytes()
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for refused in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        // An empty line is ignored; what follows it is looked at from its first byte.
        "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\0GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n",
        "PUT /limited HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n",
    ] {
        let bytes = pipeline(refused);
        let whole = answers([bytes.clone()]);
        assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 4, "{whole}");
        assert_eq!(whole.matches("HTTP/1.1 4").count(), 1, "{whole}");
        for at in 1..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(answers([left.to_vec(), right.to_vec()]), whole, "cut at {at}");
        }
        assert_eq!(answers(bytes.iter().map(|byte| vec![*byte])), whole, "byte by byte");
    }
}

proptest! {
    #[test]
    fn chunked_bodies_arrive_byte_exact(
        chunks in prop::collection::vec(prop::collection::vec(b' '..=b'~', 1..300), 0..20),
        cuts in prop::collection::vec(1_usize..200, 1..50),
    ) {
        let mut bytes = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        let body = String::from_utf8(chunks.concat()).unwrap();
        let mut left = bytes.as_slice();
        let pieces: Vec<Vec<u8>> = cuts.iter().cycle().map_while(|cut| {
            let (piece, rest) = left.split_at((*cut).min(left.len()));
            left = rest;
            (!piece.is_empty()).then(|| piece.to_vec())
        }).collect();
        let text = answers(pieces);
        prop_assert!(text.contains(&format!("\n\n{body}HTTP/1.1 200 OK")), "{}", text);
    }
}

/// One change to a byte sequence: at a place (taken modulo the length), some bytes removed and others put in.
fn change() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    let likely = prop::sample::select(b"\r\n \t:;,0A\0\x80\xff/#*".to_vec());
    (any::<usize>(), 0_usize..4, prop::collection::vec(prop_oneof![3 => likely, 1 => any::<u8>()], 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// hyper answers what it cannot parse with an empty 4xx; the guard is there so that it never has to.
    #[test]
    fn what_the_guard_lets_through_hyper_understands(changes in prop::collection::vec(change(), 1..4)) {
        let mut bytes = pipeline("GET http://a/?b HTTP/1.0\r\n\r\n");
        for (at, removed, added) in changes {
            let at = at % bytes.len();
            bytes.splice(at..(at + removed).min(bytes.len()), added);
        }
        let text = answers([bytes.clone()]);
        for answer in text.split("HTTP/1.1 ").filter(|answer| answer.starts_with(['4', '5'])) {
            prop_assert!(!answer.contains("content-length: 0"), "{answer} to {}", bytes.escape_ascii());
        }
    }
}
