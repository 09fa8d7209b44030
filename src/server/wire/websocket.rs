//! The opening handshake of WebSockets, server side. <https://www.rfc-editor.org/rfc/rfc6455#section-4.2>

use futures_util::future::BoxFuture;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_util::sync::CancellationToken;

use super::{Ended, Response, ResponseBody, Upgraded};

/// An accepted handshake.
#[derive(Debug)]
pub struct Handshake(http::response::Parts);

/// Reasons why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// The request does not ask for a WebSocket, or for another version than 13. Answer 426.
    UpgradeRequired(&'static str),
    /// The handshake is malformed. Answer 400.
    Malformed(&'static str),
}

impl Handshake {
    /// Checks that the request asks for a WebSocket.
    ///
    /// # Errors
    /// [`HandshakeRefusal`], with a sentence for the response.
    pub fn check(head: &Parts) -> Result<Self, HandshakeRefusal> {
        let mut request = http::Request::new(());
        *request.method_mut() = head.method.clone();
        *request.version_mut() = head.version;
        request.headers_mut().clone_from(&head.headers);
        let response = create_response(&request).map_err(|error| refusal(&error))?;
        let has_body = head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        if has_body || head.headers.contains_key(TRANSFER_ENCODING) {
            return Err(HandshakeRefusal::Malformed("a WebSocket handshake has no body"));
        }
        Ok(Self(response.into_parts().0))
    }

    /// Returns the 101 response: the connection goes on with `continuation`.
    pub fn switch(
        self,
        continuation: impl FnOnce(Upgraded, CancellationToken) -> BoxFuture<'static, Ended> + Send + 'static,
    ) -> Response {
        Response::from_parts(self.0, ResponseBody::upgrade(Box::new(continuation)))
    }
}

fn refusal(error: &tungstenite::Error) -> HandshakeRefusal {
    match error {
        tungstenite::Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader) => {
            HandshakeRefusal::UpgradeRequired("Sec-WebSocket-Version must be 13")
        }
        tungstenite::Error::Protocol(ProtocolError::MissingSecWebSocketKey | ProtocolError::InvalidSecWebSocketKey) => {
            HandshakeRefusal::Malformed("Sec-WebSocket-Key must be 16 bytes as Base64")
        }
        _ => HandshakeRefusal::UpgradeRequired("this method is a WebSocket"),
    }
}
