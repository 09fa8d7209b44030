//! Checks request heads, on their bytes. Pure.
//!
//! hyper is lenient where leniency lets two parsers disagree about the end of a message (request smuggling): it accepts
//! Content-Length beside Transfer-Encoding, lines ended by LF alone, HTTP/1.1 without Host. A head accepted here means
//! the same to every parser. <https://www.rfc-editor.org/rfc/rfc9112>

use http::StatusCode;

use super::framing::Framing;

/// Limit of a head, request line and empty line included.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Limit of the number of header lines.
pub const MAX_HEADERS: usize = 100;
/// Limit of the request target.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The refusal of a request's head. Its response is the connection's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRefusal {
    /// 400, 408, 414, 431 or 505.
    pub status: StatusCode,
    /// One constant sentence, fit for the response's body.
    pub reason: &'static str,
}

impl HeadRefusal {
    pub(super) const TIMED_OUT: Self =
        Self { status: StatusCode::REQUEST_TIMEOUT, reason: "the request head took too long to arrive" };
    const TARGET_TOO_LONG: Self =
        Self { status: StatusCode::URI_TOO_LONG, reason: "the request target is longer than 8 KiB" };
    const HEAD_TOO_LARGE: Self = Self {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        reason: "the request head is larger than 16 KiB or has more than 100 headers",
    };
    const VERSION: Self =
        Self { status: StatusCode::HTTP_VERSION_NOT_SUPPORTED, reason: "only HTTP/1.1 and HTTP/1.0 are spoken here" };

    const fn malformed(reason: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason }
    }
}

/// Finds the end of the head that begins at `bytes[0]`: returns the index after its empty line, or `None` when more
/// bytes are needed. `scanned` keeps the number of bytes already searched between calls; it begins at 0.
///
/// # Errors
/// The refusal of a head that cannot become acceptable: LF or CR alone, NUL, more than [`MAX_HEAD_BYTES`].
pub(super) fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadRefusal> {
    let window = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    for at in *scanned..window.len() {
        let after_cr = at > 0 && window[at - 1] == b'\r';
        match window[at] {
            b'\n' if !after_cr => return Err(HeadRefusal::malformed("a line does not end in CRLF")),
            b'\n' if at == 1 => return Err(HeadRefusal::malformed("the request line is empty")),
            b'\n' if window[..=at].ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
            b'\n' => {}
            _ if after_cr => return Err(HeadRefusal::malformed("a line does not end in CRLF")),
            0 => return Err(HeadRefusal::malformed("the head has a NUL byte")),
            _ => {}
        }
    }
    *scanned = window.len();
    match window.len() {
        MAX_HEAD_BYTES if !window.contains(&b'\n') => Err(HeadRefusal::TARGET_TOO_LONG),
        MAX_HEAD_BYTES => Err(HeadRefusal::HEAD_TOO_LARGE),
        _ => Ok(None),
    }
}

/// Checks a whole head, as delimited by [`find_end`], and returns the framing of its body.
///
/// # Errors
/// The refusal.
pub(super) fn check(head: &[u8]) -> Result<Framing, HeadRefusal> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let version = check_request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    let mut count = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        count += 1;
        if count > MAX_HEADERS {
            return Err(HeadRefusal::HEAD_TOO_LARGE);
        }
        fields.take(line)?;
    }
    fields.framing(version)
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    Http10,
    Http11,
}

fn check_request_line(line: &[u8]) -> Result<Version, HeadRefusal> {
    const MALFORMED: HeadRefusal = HeadRefusal::malformed("the request line is malformed");
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(MALFORMED);
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(MALFORMED);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(HeadRefusal::VERSION);
        }
        _ => return Err(MALFORMED),
    };
    if target.len() > MAX_TARGET_BYTES {
        return Err(HeadRefusal::TARGET_TOO_LONG);
    }
    check_target(method, target)?;
    Ok(version)
}

fn check_target(method: &[u8], target: &[u8]) -> Result<(), HeadRefusal> {
    const MALFORMED: HeadRefusal = HeadRefusal::malformed("the request target is malformed");
    let form_known = match target {
        // CONNECT's authority form is for proxies only.
        _ if method == b"CONNECT" => false,
        b"*" => method == b"OPTIONS",
        _ => target.starts_with(b"/") || target.starts_with(b"http://") || target.starts_with(b"https://"),
    };
    let visible = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    // hyper parses the target again, with this parser.
    if form_known && visible && http::Uri::try_from(target).is_ok() { Ok(()) } else { Err(MALFORMED) }
}

/// The header fields about the host and the framing.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), HeadRefusal> {
        // A line that begins with white space (the obsolete folding) has no valid name.
        let Some((name, value)) = split_once(line, b':') else {
            return Err(HeadRefusal::malformed("a header line has no colon"));
        };
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(HeadRefusal::malformed("a header name is malformed"));
        }
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(HeadRefusal::malformed("a header value has a control character"));
        }
        let value = trim(value);
        if name.eq_ignore_ascii_case(b"host") {
            self.take_host(value)
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.take_length(value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.take_encoding(value)
        } else {
            Ok(())
        }
    }

    fn take_host(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        self.hosts += 1;
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%:[]!$&'()*+;=".contains(byte);
        if self.hosts > 1 || value.is_empty() || !value.iter().all(allowed) {
            return Err(HeadRefusal::malformed("the Host header is malformed or repeated"));
        }
        Ok(())
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        // 18 digits always fit in a u64.
        let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        if !digits || self.length.is_some() {
            return Err(HeadRefusal::malformed("the Content-Length header is malformed or repeated"));
        }
        self.length = Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Ok(())
    }

    fn take_encoding(&mut self, value: &[u8]) -> Result<(), HeadRefusal> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadRefusal::malformed("the only Transfer-Encoding spoken here is chunked"));
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, HeadRefusal> {
        if self.hosts == 0 && version == Version::Http11 {
            return Err(HeadRefusal::malformed("the Host header is missing"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(HeadRefusal::malformed("Content-Length beside Transfer-Encoding")),
            (true, None) if version == Version::Http10 => Err(HeadRefusal::malformed("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(Framing::chunked()),
            (false, length) => Ok(Framing::length(length.unwrap_or(0))),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn split_once(line: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == separator)?;
    Some((&line[..at], &line[at + 1..]))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
