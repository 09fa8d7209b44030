//! The clock of the whole program, and what tells this process from another one.

use std::time::{SystemTime, UNIX_EPOCH};

use super::StartError;

/// Microseconds since 1970: the clock of the whole program.
#[allow(clippy::disallowed_methods)]
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Tells TIDs of this process from those of another one at the same microsecond.
pub(super) fn clock_id() -> Result<u16, StartError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(StartError::Randomness)?;
    Ok(u16::from_be_bytes(bytes))
}
