//! Answers that are a range of a file, sent by the kernel.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use server::daemon::Activity;
use server::wire::{Connection, FileFault, HttpLimits, Peer, RequestedRange, Response, ResponseBody, serve};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::{Stage, Wire, echo, served};

const SIZE_BYTES: u64 = 9_000_001;
/// Bytes without a zero, so that none can pass for a placeholder.
static CONTENT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..SIZE_BYTES).map(|at| (at % 251) as u8 + 1).collect());
const GET: &str = "GET /file HTTP/1.1\r\nHost: a\r\n\r\n";
const ALL: &str = "GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const PART: &str = "GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=1000001-5000000\r\n\r\n";
const END: &str = "GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=-3\r\n\r\n";
const HEAD: &str = "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n";
const OTHER: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nother";

/// The answer of the handler. Where the file is not sent, each byte is `s` instead.
pub(super) fn answer(file: &Arc<File>, head: &Parts) -> Response {
    let range = match RequestedRange::of(head, SIZE_BYTES, "") {
        RequestedRange::Part(range) => range,
        _ => 0..SIZE_BYTES,
    };
    let streamed = vec![b's'; (range.end - range.start) as usize];
    let streamed = stream::iter([Ok(Bytes::from(streamed))]);
    Response::new(ResponseBody::file(Arc::clone(file), range, streamed, FileFault::new(drop)))
}

fn file() -> Arc<File> {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&CONTENT, 0).unwrap();
    Arc::new(file)
}

fn stage() -> Stage {
    Stage { file: Some(file()), ..Stage::default() }
}

/// The next answer's body, which has Content-Length; none to HEAD.
async fn body(client: &mut (impl AsyncRead + Unpin), asked: &str) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.split_once("content-length: ").unwrap().1.split_once("\r\n").unwrap().0;
    let mut body = vec![0; if asked.starts_with("HEAD") { 0 } else { length.parse().unwrap() }];
    client.read_exact(&mut body).await.unwrap();
    body
}

fn expected(asked: &str) -> &'static [u8] {
    match asked {
        GET | ALL => &CONTENT,
        PART => &CONTENT[1_000_001..=5_000_000],
        END => &CONTENT[CONTENT.len() - 3..],
        OTHER => b"other",
        _ => b"",
    }
}

/// Asks all of it one after the other, and then all at once, on one connection.
async fn ask_all(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let all = [GET, OTHER, HEAD, PART, END, GET, HEAD, OTHER, PART];
    for asked in all {
        client.write_all(asked.as_bytes()).await.unwrap();
        assert!(body(client, asked).await == expected(asked), "{asked}");
    }
    client.write_all(all.concat().as_bytes()).await.unwrap();
    for asked in all {
        assert!(body(client, asked).await == expected(asked), "{asked} in a pipeline");
    }
}

#[tokio::test]
async fn whole_files_and_ranges_are_sent_between_other_answers() {
    let mut wire = Wire::start(HttpLimits::default(), stage()).await;
    ask_all(&mut wire.client).await;
}

#[tokio::test]
async fn a_unix_socket_gets_the_same() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let _served = served(Either::Right(server), Peer::Unix, &stage(), HttpLimits::default(), &CancellationToken::new());
    ask_all(&mut client).await;
}

#[tokio::test]
async fn http_1_0_gets_the_file_and_the_end_of_the_connection() {
    let mut wire = Wire::start(HttpLimits::default(), stage()).await;
    wire.send("GET /file HTTP/1.0\r\n\r\n").await;
    assert!(body(&mut wire.client, GET).await == *CONTENT);
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_connection_that_is_no_socket_gets_the_stream() {
    let (mut client, io) = tokio::io::duplex(1000);
    let stage = stage();
    let handler = move |request| echo(stage.clone(), request);
    let (drain, activity) = (CancellationToken::new(), Activity::default());
    let connection = Connection { io, peer: Peer::Unix, drain, activity, files: None };
    tokio::spawn(serve(connection, HttpLimits::default(), handler));
    client.write_all(PART.as_bytes()).await.unwrap();
    assert!(body(&mut client, PART).await == vec![b's'; 4_000_000]);
}

#[tokio::test]
async fn a_slow_reader_gets_it_all() {
    let mut wire = Wire::start(HttpLimits::default(), stage()).await;
    wire.send(ALL).await;
    let (mut got, mut piece) = (Vec::new(), vec![0; 100_000]);
    loop {
        match wire.client.read(&mut piece).await.unwrap() {
            0 => break,
            count => got.extend_from_slice(&piece[..count]),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(got.ends_with(&CONTENT));
}

#[tokio::test]
async fn a_reader_that_stalls_is_cut_off() {
    let window = Duration::from_millis(200);
    let limits = HttpLimits { min_rate_window: window, min_rate_bytes: SIZE_BYTES, ..HttpLimits::default() };
    let mut wire = Wire::start(limits, stage()).await;
    // More than two sockets hold.
    wire.send(GET.repeat(4)).await;
    tokio::time::timeout(Duration::from_secs(30), wire.served).await.unwrap().unwrap();
    let mut got = Vec::new();
    let _ = wire.client.read_to_end(&mut got).await;
    assert!(got.len() < 4 * CONTENT.len() && !got.contains(&0), "{}", got.len());
}

#[tokio::test]
async fn a_client_may_go_half_way() {
    let mut wire = Wire::start(HttpLimits::default(), stage()).await;
    wire.send(GET.repeat(4)).await;
    let mut half = vec![0; CONTENT.len() / 2];
    wire.client.read_exact(&mut half).await.unwrap();
    drop(wire.client);
    tokio::time::timeout(Duration::from_secs(30), wire.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_was_cut_ends_the_connection() {
    let stage = stage();
    stage.file.as_ref().unwrap().set_len(3_000_000).unwrap();
    let mut wire = Wire::start(HttpLimits::default(), stage).await;
    wire.send(GET.repeat(2)).await;
    let mut got = Vec::new();
    let _ = wire.client.read_to_end(&mut got).await;
    let begin = got.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(got[begin..] == CONTENT[..3_000_000], "{} bytes", got.len() - begin);
    wire.served.await.unwrap();
}

#[tokio::test]
async fn draining_finishes_a_file() {
    let mut wire = Wire::start(HttpLimits::default(), stage()).await;
    wire.send(GET.repeat(2)).await;
    let mut got = vec![0; 1000];
    wire.client.read_exact(&mut got).await.unwrap();
    wire.drain.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    wire.client.read_to_end(&mut got).await.unwrap();
    // The first response did not close the connection, so the second request is answered too.
    assert!(got.ends_with(&CONTENT) && (0..2000).contains(&(got.len() - 2 * CONTENT.len())));
    wire.served.await.unwrap();
}

#[tokio::test]
async fn many_at_once_get_their_own_ranges() {
    let stage = stage();
    let asked = (0..40_u64).map(|number| {
        let stage = stage.clone();
        async move {
            let mut wire = Wire::start(HttpLimits::default(), stage).await;
            let Range { start, end } = number * 100_003..5_000_000 + number * 90_007;
            wire.send(format!("GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes={start}-{}\r\n\r\n", end - 1)).await;
            assert!(body(&mut wire.client, GET).await == CONTENT[start as usize..end as usize]);
        }
    });
    futures_util::future::join_all(asked).await;
}
