//! Writes to standard output: all of it, or the command fails.

use std::io::{self, Write as _};

use serde::Serialize;

use super::CommandError;

/// Writes text to standard output.
///
/// # Errors
/// [`CommandError::Unread`] when its reader closed it; [`CommandError::Failed`].
pub fn text(text: &str) -> Result<(), CommandError> {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output.
///
/// # Errors
/// As [`text`].
pub fn bytes(bytes: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| CommandError::of_output(&error))
}

/// Writes `value` to standard output as one JSON document, indented.
///
/// # Errors
/// As [`text`].
pub fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| CommandError::failed(error.to_string()))?;
    text(&format!("{json}\n"))
}

/// Writes the result of a command to standard output: `value` as JSON if `as_json`, else the text that `shown` makes.
///
/// # Errors
/// As [`text`].
pub fn result(as_json: bool, value: &impl Serialize, shown: impl FnOnce() -> String) -> Result<(), CommandError> {
    if as_json { json(value) } else { text(&shown()) }
}

/// As [`result`], for a command that fails afterwards when what it found is wrong: it does so, too, when the reader has closed
/// standard output before its end.
///
/// # Errors
/// [`CommandError::Failed`].
pub fn findings(as_json: bool, value: &impl Serialize, shown: impl FnOnce() -> String) -> Result<(), CommandError> {
    match result(as_json, value, shown) {
        Err(CommandError::Unread) => Ok(()),
        written => written,
    }
}
