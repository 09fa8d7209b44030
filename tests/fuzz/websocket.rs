//! A subscriber: the head of its handshake, and the frames that it sends after one.
//!
//! The input's first line end parts the head from the frames.
#![no_main]

use futures_util::StreamExt as _;
use libfuzzer_sys::fuzz_target;
use server::wire::websocket::Handshake;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// Each line is a header, its name and value parted by a colon.
fn head(lines: &str) -> Option<http::request::Parts> {
    let mut request = http::Request::get("/xrpc/com.atproto.sync.subscribeRepos");
    for line in lines.split('\r') {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// Reads what a subscriber sends until it ends or is wrong.
async fn listen(frames: &[u8]) {
    let config = WebSocketConfig::default()
        .read_buffer_size(MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let (_peer, io) = tokio::io::duplex(1 << 20);
    let early = frames.to_vec();
    let mut socket = WebSocketStream::from_partially_read(io, early, Role::Server, Some(config)).await;
    // What the frames lack never comes.
    while let Some(Some(Ok(message))) = futures_util::FutureExt::now_or_never(socket.next()) {
        assert!(message.len() <= MAX_MESSAGE_BYTES);
    }
}

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (lines, frames) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    if let Some(head) = std::str::from_utf8(lines).ok().and_then(head)
        && Handshake::check(&head).is_ok()
    {
        let named = |name: &str| head.headers.contains_key(name);
        assert!(named("upgrade") && named("connection") && named("sec-websocket-key"), "{head:?}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(listen(frames));
});
