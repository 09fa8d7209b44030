//! Finds the end of a request's body, byte by byte. Pure.
//!
//! Stricter than RFC 9112 in its limits only: chunk-size lines ≤ 256 bytes, trailers ≤ 4 KiB.
//! <https://www.rfc-editor.org/rfc/rfc9112#section-7.1>

/// Limit of a chunk-size line, extensions included.
const MAX_SIZE_LINE_BYTES: usize = 256;
/// Limit of the trailer section.
const MAX_TRAILER_BYTES: usize = 4 * 1024;
/// Limit of a chunk size, in hexadecimal digits: with 60 bits no sum or product overflows.
const MAX_SIZE_DIGITS: usize = 15;

/// The position in the body of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Content-Length`: this many bytes are still to come.
    Length(u64),
    /// Chunked transfer coding.
    Chunked(Chunked),
}

/// The chunked coding violates RFC 9112, or exceeds a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed")]
pub(super) struct MalformedChunk;

impl From<MalformedChunk> for std::io::Error {
    fn from(error: MalformedChunk) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl Framing {
    pub(super) fn length(bytes: u64) -> Self {
        Self::Length(bytes)
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked { state: State::Size, size: 0, line: 0 })
    }

    /// Whether the body is complete.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked { state: State::Done, .. }))
    }

    /// Takes the next bytes of the connection and returns how many of them belong to this body: all of them, unless the
    /// body ends within.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, MalformedChunk> {
        match self {
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunked) => chunked.advance(bytes),
        }
    }
}

/// The state of a chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunked {
    state: State,
    /// The size being parsed; then the bytes of the chunk that are still to come.
    size: u64,
    /// Bytes of the current size line, or of the trailer section.
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a chunk's size.
    Size,
    /// After the size: white space and extensions, which are ignored.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    TrailerLine,
    TrailerLf,
    LastLf,
    Done,
}

impl Chunked {
    fn advance(&mut self, bytes: &[u8]) -> Result<usize, MalformedChunk> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let taken = (bytes.len() - at).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                at += taken;
                self.size -= taken as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Returns the state after a byte that is not chunk data.
    fn step(&mut self, byte: u8) -> Result<State, MalformedChunk> {
        self.line += 1;
        match (self.state, byte) {
            (State::Size, _) => self.step_size(byte),
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, _) if is_text(byte) && self.line <= MAX_SIZE_LINE_BYTES => Ok(State::Extension),
            (State::SizeLf, b'\n') => {
                self.line = 0;
                Ok(if self.size == 0 { State::Trailer } else { State::Data })
            }
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.line = 0;
                Ok(State::Size)
            }
            (State::Trailer, b'\r') => Ok(State::LastLf),
            (State::Trailer, b' ' | b'\t' | b':') => Err(MalformedChunk),
            (State::TrailerLine, b'\r') => Ok(State::TrailerLf),
            (State::Trailer | State::TrailerLine, _) if is_text(byte) && self.line <= MAX_TRAILER_BYTES => {
                Ok(State::TrailerLine)
            }
            (State::TrailerLf, b'\n') => Ok(State::Trailer),
            (State::LastLf, b'\n') => Ok(State::Done),
            _ => Err(MalformedChunk),
        }
    }

    fn step_size(&mut self, byte: u8) -> Result<State, MalformedChunk> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        match (digit, byte) {
            (Some(digit), _) if self.line <= MAX_SIZE_DIGITS => {
                self.size = self.size * 16 + digit;
                Ok(State::Size)
            }
            // A size has at least one digit.
            (None, b'\r') if self.line > 1 => Ok(State::SizeLf),
            (None, b';' | b' ' | b'\t') if self.line > 1 => Ok(State::Extension),
            _ => Err(MalformedChunk),
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the end of the body in `bytes` when they arrive in pieces of `piece`, or the error.
    fn end(bytes: &[u8], piece: usize) -> Result<Option<usize>, MalformedChunk> {
        let mut framing = Framing::chunked();
        let mut taken = 0;
        for part in bytes.chunks(piece) {
            taken += framing.advance(part)?;
            if framing.is_done() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_end_is_the_same_however_the_bytes_are_cut() {
        let long_line = format!("1;{}\r\n", "x".repeat(MAX_SIZE_LINE_BYTES));
        let long_trailer = format!("0\r\na: {}\r\n\r\n", "x".repeat(MAX_TRAILER_BYTES));
        let cases: [(&str, Result<Option<usize>, MalformedChunk>); 20] = [
            ("0\r\n\r\nGET", Ok(Some(5))),
            ("3\r\nabc\r\n0\r\n\r\n3\r\n", Ok(Some(13))),
            ("A;name=value\r\n0123456789\r\n0\r\nt: 1\r\nu: 2\r\n\r\nrest", Ok(Some(43))),
            ("000a \r\n0123456789\r\n0\r\n\r\n", Ok(Some(24))),
            ("3\r\nabc", Ok(None)),
            ("0\r\n\r", Ok(None)),
            ("\r\n", Err(MalformedChunk)),
            (";x\r\n", Err(MalformedChunk)),
            ("-1\r\n", Err(MalformedChunk)),
            ("0x3\r\nabc", Err(MalformedChunk)),
            ("3\nabc\n0\n\n", Err(MalformedChunk)),
            ("3\r\nabcd\r\n", Err(MalformedChunk)),
            ("3\r\nabc\n0\r\n\r\n", Err(MalformedChunk)),
            ("3;a\nb\r\nabc\r\n", Err(MalformedChunk)),
            ("3;\0\r\nabc\r\n", Err(MalformedChunk)),
            ("0\r\n folded\r\n\r\n", Err(MalformedChunk)),
            ("0\r\na: 1\n\r\n", Err(MalformedChunk)),
            ("0000000000000001\r\na\r\n", Err(MalformedChunk)),
            (&long_line, Err(MalformedChunk)),
            (&long_trailer, Err(MalformedChunk)),
        ];
        for (text, expected) in cases {
            for piece in 1..=text.len() {
                assert_eq!(end(text.as_bytes(), piece), expected, "{text:?} in pieces of {piece}");
            }
        }
    }
}
