//! An HTTP/1.1 message as bytes: whoever lies about one must be able to write what no library would.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

/// A request or an answer, with its whole body as it stood on the wire.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// The next request of a connection; `None` at its end.
    pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_until(b'\n', &mut head).await? == 0 {
                return Ok(None);
            }
        }
        let mut request = Self::parse(&head)?;
        let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        assert!(request.header("transfer-encoding").is_none(), "S3 wants to know lengths beforehand");
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body).await?;
        Ok(Some(request))
    }

    /// A message that is there to its end, or to where its connection broke off.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
        Ok(Self { start, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
    }

    /// An answer of the proxy's own.
    pub(super) fn answer(status: &str, body: &str) -> Self {
        let headers = [("Content-Type", "application/xml".to_owned()), ("Content-Length", body.len().to_string())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self { start: format!("HTTP/1.1 {status}"), headers, body: body.as_bytes().to_vec() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Replaces a header, or adds it.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.headers.iter_mut().find(|(header, _)| header.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value.into(),
            None => self.headers.push((name.to_owned(), value.into())),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name));
    }

    /// Puts the time of a request's signature a century back.
    pub(super) fn skew(&mut self) {
        let earlier = |stamp: &str| stamp.replacen("20", "19", 1);
        if let Some(stamp) = self.header("x-amz-date").map(earlier) {
            self.set("x-amz-date", stamp);
        } else if let Some((before, after)) = self.start.split_once("X-Amz-Date=") {
            self.start = format!("{before}X-Amz-Date={}", earlier(after));
        }
    }

    pub(super) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// Path and query of a request.
    pub(super) fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn head_bytes(&self) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{}\r\n{headers}\r\n", self.start).into_bytes()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head_bytes(), self.body.clone()].concat()
    }
}
