//! The clock. `app` passes it, or its time, to the code below it.

use atproto::syntax::micros;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the current time, microseconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
