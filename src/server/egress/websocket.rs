//! WebSocket clients: the handshake over a client of this room, and reading messages.
//! <https://www.rfc-editor.org/rfc/rfc6455>

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Request, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::body::empty_body;
use super::client::HttpClient;
use super::error::EgressError;

/// Interval of pings while the server is silent; proxies close connections that are silent for 60 s.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Time without any frame after which the server counts as gone.
const DEAD_AFTER: Duration = Duration::from_secs(90);
/// Time-out of sending a frame, or of the closing handshake.
const SEND_TIME: Duration = Duration::from_secs(10);

/// A message from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum SocketMessage {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// An open WebSocket from which messages are read.
pub struct WebSocket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Time of the last frame from the server.
    heard: Instant,
}

impl HttpClient {
    /// Opens the WebSocket at `url` (`wss://`, or `ws://` where the policy allows plain HTTP) within `limit`. A message
    /// may have `max_message_bytes`.
    ///
    /// # Errors
    /// [`EgressError`]
    pub async fn websocket(
        &self,
        url: &str,
        max_message_bytes: usize,
        limit: Duration,
    ) -> Result<WebSocket, EgressError> {
        let rest = url.strip_prefix("ws").ok_or_else(|| EgressError::Request("it is no WebSocket".into()))?;
        let key = generate_key();
        let request = Request::get(format!("http{rest}"))
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            .header(UPGRADE, HeaderValue::from_static("websocket"))
            .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            .header(SEC_WEBSOCKET_KEY, &key)
            .body(empty_body());
        let request = request.map_err(|error| EgressError::Request(error.to_string()))?;
        let deadline = Instant::now() + limit;
        let late = |_| EgressError::TimedOut(limit);
        let answer = timeout_at(deadline, self.send(request)).await.map_err(late)??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EgressError::Broken(format!("it answers {} to a WebSocket", answer.status())));
        }
        let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(EgressError::Broken("it answers another WebSocket".into()));
        }
        let upgraded = timeout_at(deadline, hyper::upgrade::on(answer)).await.map_err(late)?;
        let upgraded = upgraded.map_err(|error| EgressError::Broken(error.to_string()))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await;
        Ok(WebSocket { stream, heard: Instant::now() })
    }
}

impl WebSocket {
    /// Returns the next message; `None` when there is none within `patience`. Pings a silent server.
    ///
    /// # Errors
    /// [`EgressError`] when the server closes, breaks off, sends too much, or no longer answers pings.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<SocketMessage>, EgressError> {
        let until = Instant::now() + patience;
        loop {
            let ping = Instant::now() + PING_EVERY;
            match timeout_at(until.min(ping), self.stream.next()).await {
                Ok(Some(Ok(message))) => {
                    self.heard = Instant::now();
                    match message {
                        Message::Text(text) => return Ok(Some(SocketMessage::Text(text.as_str().to_owned()))),
                        Message::Binary(bytes) => return Ok(Some(SocketMessage::Binary(bytes))),
                        Message::Close(_) => return Err(EgressError::Broken("it closed the WebSocket".into())),
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                }
                Ok(Some(Err(error))) => return Err(EgressError::Broken(error.to_string())),
                Ok(None) => return Err(EgressError::Broken("the connection ended".into())),
                Err(_) if self.heard.elapsed() > DEAD_AFTER => return Err(EgressError::TimedOut(DEAD_AFTER)),
                Err(_) if Instant::now() >= until => return Ok(None),
                Err(_) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Result<(), EgressError> {
        let sent = timeout(SEND_TIME, self.stream.send(Message::Ping(Bytes::new()))).await;
        let sent = sent.map_err(|_| EgressError::TimedOut(SEND_TIME))?;
        sent.map_err(|error| EgressError::Broken(error.to_string()))
    }

    /// Closes the WebSocket.
    pub async fn close(mut self) {
        // A server that does not answer the close frame is left.
        drop(timeout(SEND_TIME, self.stream.close(None)).await);
    }
}
