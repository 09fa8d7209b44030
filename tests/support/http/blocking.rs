//! An account, or nobody, that calls a hold: one connection a request, so that nothing is hidden by a pool.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Answer, digest};

/// Far more than an answer takes: reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the holds of these tests say that they are.
const HOLD_URL: &str = "http://localhost:8080";

/// Where a hold listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) place: Place,
    pub(crate) token: Option<String>,
}

impl Client {
    pub(crate) fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Box::new(stream))
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Box::new(stream))
            }
        }
    }

    fn head(&self, method: &str, target: &str, framing: &str) -> String {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}{framing}\r\n")
    }

    pub(crate) fn try_send(&self, method: &str, target: &str, framing: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        let head = self.head(method, target, &format!("{framing}Content-Length: {}\r\n", body.len()));
        stream.write_all(head.as_bytes())?;
        // An early refusal closes the other direction: what counts is the answer.
        let sent = stream.write_all(body);
        receive(&mut stream).map_err(|error| sent.err().unwrap_or(error))
    }

    pub(crate) fn try_call(&self, method: &str, input: &Value) -> io::Result<Answer> {
        let framing = "Content-Type: application/json\r\n";
        self.try_send("POST", &format!("/xrpc/{method}"), framing, input.to_string().as_bytes())
    }

    pub(crate) fn call(&self, method: &str, input: &Value) -> Answer {
        self.try_call(method, input).unwrap()
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.try_send("GET", target, "", &[]).unwrap()
    }

    pub(crate) fn try_initiate(&self) -> io::Result<Answer> {
        self.try_call("io.atcr.hold.initiateUpload", &json!({ "digest": "uploads/temp-1" }))
    }

    /// Begins an upload.
    pub(crate) fn initiate(&self) -> String {
        let answer = self.try_initiate().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.field("message"));
        answer.field("uploadId")
    }

    pub(crate) fn try_part_target(&self, upload: &str, number: u32) -> io::Result<Answer> {
        self.try_call("io.atcr.hold.getPartUploadUrl", &json!({ "uploadId": upload, "partNumber": number }))
    }

    /// The path and query of a part's signed URL.
    pub(crate) fn part_target(&self, upload: &str, number: u32) -> String {
        path_of(&self.try_part_target(upload, number).unwrap())
    }

    /// Sends a part by its signed URL, without a token.
    pub(crate) fn try_put(&self, target: &str, bytes: &[u8]) -> io::Result<Answer> {
        Self { token: None, ..self.clone() }.try_send("PUT", target, "", bytes)
    }

    /// Uses a URL that this hold gave, without a token: one of the hold, or one of the store.
    pub(crate) fn try_by_url(&self, method: &str, url: &str, body: &[u8]) -> io::Result<Answer> {
        let anonymous = Self { token: None, ..self.clone() };
        if let Some(path) = url.strip_prefix(HOLD_URL) {
            return anonymous.try_send(method, path, "", body);
        }
        by_url(method, url, "", body, PATIENCE)
    }

    pub(crate) fn put_part(&self, upload: &str, number: u32, bytes: &[u8]) -> Answer {
        self.try_put(&self.part_target(upload, number), bytes).unwrap()
    }

    pub(crate) fn try_complete(&self, upload: &str, whole: &[u8], etags: &[String]) -> io::Result<Answer> {
        let parts: Vec<_> =
            etags.iter().zip(1..).map(|(etag, number)| json!({ "partNumber": number, "etag": etag })).collect();
        let input = json!({ "uploadId": upload, "digest": digest(whole).to_string(), "parts": parts });
        self.try_call("io.atcr.hold.completeUpload", &input)
    }

    pub(crate) fn complete(&self, upload: &str, whole: &[u8], etags: &[String]) -> Answer {
        self.try_complete(upload, whole, etags).unwrap()
    }

    /// A whole upload in one part.
    pub(crate) fn push(&self, whole: &[u8]) {
        let upload = self.initiate();
        let part = self.put_part(&upload, 1, whole);
        assert_eq!(part.outcome(), (200, String::new()));
        assert_eq!(self.complete(&upload, whole, &[part.field("etag")]).outcome(), (200, String::new()));
    }

    /// The blob's bytes by the way a registry takes: a signed URL first. `None` when there is no such blob.
    pub(crate) fn pull(&self, whole: &[u8]) -> Option<Vec<u8>> {
        let blob = self.try_by_url("GET", &self.blob_url(whole)?, &[]).unwrap();
        assert_eq!(blob.status, 200);
        Some(blob.body.into())
    }

    /// The signed URL of a blob, if there is such a blob.
    pub(crate) fn blob_url(&self, whole: &[u8]) -> Option<String> {
        let answer = self.get(&format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost&cid={}", digest(whole)));
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.outcome(), (200, String::new()));
        Some(answer.field("url"))
    }

    /// A part whose head was sent, and of whose `length` bytes none.
    pub(crate) fn begin_part(&self, target: &str, length: usize) -> Box<dyn Stream> {
        let mut stream = self.connect().unwrap();
        let anonymous = Self { token: None, ..self.clone() };
        let head = anonymous.head("PUT", target, &format!("Content-Length: {length}\r\n"));
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }
}

/// Calls a URL without a token. `framing` are header lines with their ends.
pub(crate) fn by_url(method: &str, url: &str, framing: &str, body: &[u8], patience: Duration) -> io::Result<Answer> {
    let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(patience))?;
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let length = body.len();
    let head = format!(
        "{method} /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{framing}\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    receive(&mut stream)
}

/// Reads one answer; an error when it does not come whole.
pub(crate) fn receive(stream: &mut Box<dyn Stream>) -> io::Result<Answer> {
    let mut bytes = vec![];
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            // A child ended somewhere in this process, and a read with a time limit is not taken up again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(&piece[..count]);
        if let Some(answer) = whole_answer(&bytes)? {
            return Ok(answer);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn whole_answer(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (status, headers) = head(&bytes[..end]).ok_or(io::ErrorKind::InvalidData)?;
    let rest = &bytes[end + 4..];
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let body = match length {
        Some(length) => rest.get(..length).map(<[u8]>::to_vec),
        None if headers.contains_key("transfer-encoding") => chunked(rest),
        None if status == 204 => Some(vec![]),
        None => None,
    };
    Ok(body.map(|body| Answer { status, headers, body: body.into() }))
}

/// Status and headers.
fn head(bytes: &[u8]) -> Option<(u16, HeaderMap)> {
    let mut lines = std::str::from_utf8(bytes).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = header(line)?;
        headers.append(name, value);
    }
    Some((status, headers))
}

fn chunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 2 + length + 2..)?;
        if length == 0 {
            return Some(body);
        }
    }
}

/// The path and query of the `url` that was answered.
pub(crate) fn path_of(answer: &Answer) -> String {
    let url = answer.field("url");
    url.strip_prefix(HOLD_URL).unwrap_or_else(|| panic!("not a URL of this hold: {url}")).to_owned()
}
