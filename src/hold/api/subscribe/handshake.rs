//! The opening handshake of WebSocket, server side. Pure. <https://www.rfc-editor.org/rfc/rfc6455#section-4.2>

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use sha1::{Digest as _, Sha1};
use tokio_util::sync::CancellationToken;

use crate::api::error::Error;
use crate::api::request::header;
use server::wire::{Ended, Response, ResponseBody, Upgraded};

/// What RFC 6455 appends to every key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks that the request asks for WebSocket in our version; answers the value of Sec-WebSocket-Accept.
pub(in crate::api) fn check(head: &Parts) -> Result<HeaderValue, Error> {
    let asks = head.method == Method::GET
        && head.version == Version::HTTP_11
        && lists(head, &CONNECTION, "upgrade")
        && lists(head, &UPGRADE, "websocket");
    if !asks {
        return Err(Error::upgrade_required("this method is a WebSocket"));
    }
    if header(head, "sec-websocket-version") != Some("13") {
        return Err(Error::upgrade_required("Sec-WebSocket-Version must be 13"));
    }
    let has_body = head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body || head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Error::invalid("a WebSocket handshake has no body"));
    }
    let key = header(head, "sec-websocket-key").unwrap_or_default().as_bytes();
    let key_is_valid = BASE64.decode(key).is_ok_and(|key| key.len() == 16);
    let accept = HeaderValue::try_from(accept(key));
    accept.ok().filter(|_| key_is_valid).ok_or_else(|| Error::invalid("Sec-WebSocket-Key must be 16 bytes as Base64"))
}

/// 101: the connection goes on with `continuation`.
pub(in crate::api) fn switch(
    accept: HeaderValue,
    continuation: impl FnOnce(Upgraded, CancellationToken) -> BoxFuture<'static, Ended> + Send + 'static,
) -> Response {
    let mut response = Response::new(ResponseBody::upgrade(Box::new(continuation)));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn accept(key: &[u8]) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether a header is a list, in one line or several, that has `word`.
fn lists(head: &Parts, name: &HeaderName, word: &str) -> bool {
    let lines = head.headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        assert_eq!(super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
