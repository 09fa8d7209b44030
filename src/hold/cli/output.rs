//! Standard output: written whole, or the command fails; a reader that has seen enough is no failure.

use std::io::{self, Write as _};

use serde::Serialize;

use super::error::CommandError;

/// Writes text.
pub(super) fn text(text: &str) -> Result<(), CommandError> {
    bytes(text.as_bytes())
}

/// Writes bytes.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| CommandError::of_output(&error))
}

/// Writes one JSON document, indented.
pub(super) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| CommandError::failed(error.to_string()))?;
    text(&format!("{json}\n"))
}
