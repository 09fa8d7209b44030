//! How far a long command is, on standard error where that is a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::table;
use server::control::Progress;

/// A line that is written over and over, and wiped away at the end.
pub(super) struct ProgressLine {
    shown: bool,
    last: Option<Instant>,
}

/// Often enough for people.
const EVERY: Duration = Duration::from_millis(100);
/// Back to the first column, and clear the line.
const WIPE: &str = "\r\u{1b}[K";

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if self.shown && self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            // It is only for show.
            let _ = write!(io::stderr(), "{WIPE}{}", line(progress));
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "{WIPE}");
        }
    }
}

fn line(progress: &Progress) -> String {
    const WIDTH: u64 = 24;
    let amount = |count: u64| if progress.unit == "bytes" { table::size(count) } else { count.to_string() };
    let unit = if progress.unit == "bytes" { String::new() } else { format!(" {}", progress.unit) };
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
        assert_eq!(line(2048, Some(4096), "bytes"), "[############............] 50% 2.0 KiB of 4.0 KiB");
        assert_eq!(line(0, Some(0), "blobs"), "0 blobs");
    }
}
