//! Timestamp identifiers: sortable revision and record names. <https://atproto.com/specs/tid>

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 13;
/// Mask of a TID's microseconds, 53 bits.
const MICROS_MASK: u64 = (1 << 53) - 1;
const CLOCK_ID_MASK: u64 = (1 << 10) - 1;

text_newtype!(
    /// A TID: 53 bits of microseconds since 1970 and a 10-bit clock id, as 13 characters that sort by time.
    Tid,
    "TID",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() != LENGTH {
        return Err("it must have 13 characters");
    }
    if !text.bytes().all(|b| ALPHABET.contains(&b)) {
        return Err("only 2-7 and a-z are allowed");
    }
    // The top bit is always 0, so the first character has 4 bits.
    if text.as_bytes()[0] > b'j' {
        return Err("the first character must be in 2-7 or a-j");
    }
    Ok(())
}

impl Tid {
    /// Returns the TID of a time in microseconds since 1970 and a clock id, of which the low 10 bits are used.
    #[must_use]
    pub fn from_micros(micros: u64, clock_id: u16) -> Self {
        Self::from_bits(((micros & MICROS_MASK) << 10) | (u64::from(clock_id) & CLOCK_ID_MASK))
    }

    /// Returns the TID for `micros`, or the next one after `last` when the clock stands still or went back.
    #[must_use]
    pub fn next(micros: u64, clock_id: u16, last: Option<&Self>) -> Self {
        let now = Self::from_micros(micros, clock_id);
        match last {
            Some(last) if now <= *last => Self::from_micros(last.micros() + 1, clock_id),
            _ => now,
        }
    }

    /// Returns the microseconds since 1970.
    #[must_use]
    pub fn micros(&self) -> u64 {
        self.bits() >> 10
    }

    fn bits(&self) -> u64 {
        self.as_str().bytes().fold(0, |bits, byte| {
            let digit = ALPHABET.iter().position(|c| *c == byte).unwrap_or_default();
            (bits << 5) | digit as u64
        })
    }

    fn from_bits(bits: u64) -> Self {
        let text: String = (0..LENGTH).rev().map(|i| ALPHABET[((bits >> (5 * i)) & 31) as usize] as char).collect();
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Tid;

    #[test]
    fn bits_survive_text() {
        for (micros, clock) in [(0, 0), (1, 1023), (1_700_000_000_000_000, 7), ((1 << 53) - 1, 1023)] {
            let tid = Tid::from_micros(micros, clock);
            assert_eq!(Tid::parse(tid.as_str()).map(|t| t.micros()), Ok(micros));
        }
        assert_eq!(Tid::from_micros(0, 0).as_str(), "2222222222222");
    }

    #[test]
    fn next_is_greater_though_the_clock_steps_back() {
        let first = Tid::next(5_000, 3, None);
        let second = Tid::next(4_000, 3, Some(&first));
        let third = Tid::next(4_000, 900, Some(&second));
        assert!(first < second && second < third);
        assert_eq!(second.micros(), 5_001);
    }
}
