//! A client that has nothing but a URL.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::message::Message;

const PATIENCE: Duration = Duration::from_secs(10);

/// Calls a URL and answers what came, if it came whole. `headers` are lines with their ends.
pub(super) fn call(method: &str, url: &str, headers: &str, body: &[u8]) -> io::Result<Message> {
    let rest = url.strip_prefix("http://").expect("plain http");
    let (host, target) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let answer = Message::parse(&bytes)?;
    let length: Option<usize> = answer.header("content-length").and_then(|length| length.parse().ok());
    match length {
        Some(length) if answer.body.len() == length => Ok(answer),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
