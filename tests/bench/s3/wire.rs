//! HTTP/1.1 on kept-alive connections with as little work as possible: what drives the servers runs beside them.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a blob is read with.
const READ_BYTES: usize = 1 << 20;

/// One connection to `host`, a name or address with its port.
pub(crate) struct Connection {
    host: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer of small size.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

struct Head {
    status: u16,
    etag: Option<String>,
    length: usize,
    /// Where the body begins.
    end: usize,
}

impl Connection {
    pub(crate) async fn open(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { host: host.to_owned(), stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// The bytes of a request's head. `headers` are lines with their ends.
    pub(crate) fn head(&self, method: &str, target: &str, headers: &str, length: usize) -> String {
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{headers}\r\n", self.host)
    }

    /// Sends the bytes of whole requests' heads and a body, and reads one answer.
    pub(crate) async fn exchange(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(head).await?;
        self.stream.write_all(body).await?;
        let head = self.receive_head().await?;
        while self.buffer.len() < head.end + head.length {
            self.fill().await?;
        }
        let body = self.buffer[head.end..head.end + head.length].to_vec();
        self.buffer.drain(..head.end + head.length);
        Ok(Answer { status: head.status, etag: head.etag, body })
    }

    pub(crate) async fn call(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        let head = self.head(method, target, headers, body.len());
        self.exchange(head.as_bytes(), body).await
    }

    /// Reads a blob and drops its bytes; answers how many they were.
    pub(crate) async fn read_away(&mut self, target: &str, headers: &str) -> io::Result<usize> {
        let head = self.head("GET", target, headers, 0);
        self.stream.write_all(head.as_bytes()).await?;
        let head = self.receive_head().await?;
        if head.status >= 300 {
            return Err(io::Error::other(format!("a read was answered {}", head.status)));
        }
        let mut left = head.length.saturating_sub(self.buffer.len() - head.end);
        self.buffer.clear();
        let mut piece = vec![0; READ_BYTES];
        while left > 0 {
            match self.stream.read(&mut piece[..left.min(READ_BYTES)]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left -= count,
            }
        }
        Ok(head.length)
    }

    /// Sends as it is: for a body that comes in pieces.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    async fn receive_head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                return parse(&self.buffer[..end]).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn parse(head: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(head).ok()?;
    let (mut etag, mut length) = (None, 0);
    for line in text.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("etag") {
            etag = Some(value.to_owned());
        }
    }
    Some(Head { status: text.get(9..12)?.parse().ok()?, etag, length, end: head.len() + 4 })
}

/// Host with port, and path with query, of a URL on plain http.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}
