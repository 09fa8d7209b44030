//! A connection: whatever the peer sends, in pieces or at once, it gets the same answers, and the connection ends.
//!
//! The input's first byte says how large the pieces are. The handler answers each request with what it made of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use server::daemon::Activity;
use server::wire::{self, BodyFault, Connection, HttpLimits, Peer, Request, Response, ResponseBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

/// More than a handler reads: larger bodies are answered for without being read.
const MAX_BODY_BYTES: u64 = 4 * 1024;
const PIPE_BYTES: usize = 64 * 1024;

async fn answer(request: Request) -> Response {
    let text = match request.refusal {
        Some(refusal) => format!("refused with {}", refusal.status),
        None => {
            let (head, body) = (request.head, request.body.collect(MAX_BODY_BYTES).await);
            let told = match body {
                Ok(bytes) => format!("{bytes:?}"),
                Err(BodyFault::TooLarge) => "too large".into(),
                Err(BodyFault::TimedOut) => "timed out".into(),
                Err(BodyFault::Malformed) => "malformed".into(),
                Err(BodyFault::Disconnected) => "gone".into(),
            };
            format!("{} {} {told}", head.method, head.uri)
        }
    };
    Response::new(ResponseBody::full(text))
}

/// What the peer reads until the connection ends, without the date.
async fn exchange(bytes: &[u8], piece: usize) -> String {
    let (mut client, served) = tokio::io::duplex(PIPE_BYTES);
    let (drain, activity) = (CancellationToken::new(), Activity::default());
    let connection = Connection { io: served, peer: Peer::Unix, drain, activity, files: None };
    let serving = wire::serve(connection, HttpLimits::default(), answer);
    let asking = async {
        for piece in bytes.chunks(piece) {
            // An answer may have closed the connection.
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told).await;
        told
    };
    let ((), told) = tokio::join!(serving, asking);
    let told = String::from_utf8_lossy(&told).into_owned();
    told.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    // Time passes only where nothing else is left to do: every limit is reached at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let whole = exchange(bytes, bytes.len().max(1)).await;
        assert_eq!(exchange(bytes, usize::from(*piece) + 1).await, whole, "pieces change nothing");
    });
});
