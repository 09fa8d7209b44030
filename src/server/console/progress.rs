//! The progress of a long command, on standard error where that is a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::control::Progress;
use atproto::syntax::Size;

/// A progress line that is overwritten in place. Dropping it clears the line.
pub struct ProgressLine {
    on_terminal: bool,
    last: Option<Instant>,
}

/// Shortest time between two updates.
const EVERY: Duration = Duration::from_millis(100);
/// Carriage return, then "erase to the end of the line".
const CLEAR: &str = "\r\u{1b}[K";

impl ProgressLine {
    /// Creates a line that shows nothing yet, and nothing at all where standard error is no terminal that erases lines.
    #[must_use]
    pub fn new() -> Self {
        Self { on_terminal: io::stderr().is_terminal() && !is_dumb(), last: None }
    }

    /// Shows the progress, unless the line changed in the last tenth of a second.
    pub fn show(&mut self, progress: &Progress) {
        if self.on_terminal && self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            // A failed write of progress is ignored.
            let _ = write!(io::stderr(), "{CLEAR}{}", line(progress));
        }
    }
}

impl Default for ProgressLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

/// Whether the terminal knows no escape sequences.
fn is_dumb() -> bool {
    #[expect(clippy::disallowed_methods, reason = "it describes the terminal, and is no setting of ours")]
    let kind = std::env::var_os("TERM");
    kind.is_some_and(|kind| kind == "dumb")
}

fn line(progress: &Progress) -> String {
    const WIDTH: u64 = 24;
    let is_bytes = progress.unit == "bytes";
    let amount = |count: u64| if is_bytes { Size { bytes: count }.to_string() } else { count.to_string() };
    let unit = if is_bytes { String::new() } else { format!(" {}", progress.unit) };
    match progress.total.filter(|total| *total > 0) {
        None => format!("{}{unit}", amount(progress.done)),
        Some(total) => {
            let done = progress.done.min(total);
            let of = |whole: u64| u64::try_from(u128::from(done) * u128::from(whole) / u128::from(total)).unwrap_or(0);
            let bar: String = (0..WIDTH).map(|at| if at < of(WIDTH) { '#' } else { '.' }).collect();
            format!("[{bar}] {}% {} of {}{unit}", of(100), amount(progress.done), amount(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let line = |done, total, unit: &str| line(&Progress { done, total, unit: unit.into() });
        assert_eq!(line(7, None, "records"), "7 records");
        assert_eq!(line(2000, Some(4000), "bytes"), "[############............] 50% 2.0 KB of 4.0 KB");
        assert_eq!(line(0, Some(0), "blobs"), "0 blobs");
    }
}
