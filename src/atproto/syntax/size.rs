//! Sizes in bytes as people write them: `50 GB`, `512 MiB`.

use std::fmt;

use super::SyntaxError;

const ERROR: SyntaxError =
    SyntaxError { kind: "size", reason: "it must look like 50 GB (1 GB is 1,000,000,000 bytes) or 512 MiB" };
const UNITS: [(&str, u64); 9] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("B", 1),
];
/// Limit of a size: integers of 53 bits, as in JSON numbers and the repository.
const MAX_BYTES: u64 = (1 << 53) - 1;

/// A size in bytes. Displayed in powers of ten with one decimal: `1.5 GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// The size in bytes.
    pub bytes: u64,
}

impl Size {
    /// Parses a whole number and one of B, KB, MB, GB, TB, KiB, MiB, GiB and TiB, in this spelling.
    ///
    /// # Errors
    /// [`SyntaxError`]
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or(ERROR)?;
        let number = text[..text.len() - unit.len()].trim_end_matches(' ');
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ERROR);
        }
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.filter(|bytes| *bytes <= MAX_BYTES).map(|bytes| Self { bytes }).ok_or(ERROR)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes < 1000 {
            return write!(f, "{} B", self.bytes);
        }
        // The next unit where rounding would give 1000.0.
        let units = ["KB", "MB", "GB", "TB", "PB", "EB"];
        let (mut unit, mut tenths) = (0, (u128::from(self.bytes) * 10 + 500) / 1000);
        let mut scale = 1000_u128;
        while tenths >= 10_000 && unit + 1 < units.len() {
            unit += 1;
            scale *= 1000;
            tenths = (u128::from(self.bytes) * 10 + scale / 2) / scale;
        }
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_and_shown() {
        let read = |text| Size::parse(text).map(|size| size.bytes).ok();
        assert_eq!(read("50 GB"), Some(50_000_000_000));
        assert_eq!([read("50GB"), read("3 KiB"), read("0 B")], [Some(50_000_000_000), Some(3072), Some(0)]);
        for text in ["", "GB", "50", "50 gb", "-1 GB", "1.5 GB", "9999999999 TB", " 1 GB", "5 PB", "1 G"] {
            assert_eq!(read(text), None, "{text}");
        }
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (999_949, "999.9 KB"),
            (999_950, "1.0 MB"),
            (50_000_000_000, "50.0 GB"),
        ] {
            assert_eq!(Size { bytes }.to_string(), shown);
        }
    }
}
