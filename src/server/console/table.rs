//! Tables, sizes and durations in text output.

use atproto::syntax::Size;

/// Returns `rows` below `header`, the columns aligned and two spaces apart, without spaces at the end of a line.
#[must_use]
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = [header.map(str::to_owned)].into_iter().chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Returns a number of bytes as [`Size`] shows it: `1.5 KB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    Size { bytes }.to_string()
}

/// Returns a duration in its two largest units: `5s`, `3m 20s`, `2h 0m`, `4d 7h`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// The text of a table cell without a value.
pub const NONE: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(table(["X", "COUNT"], rows), "X     COUNT\na     1\nlong\n");
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (200, "3m 20s"), (7_205, "2h 0m"), (370_800, "4d 7h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
