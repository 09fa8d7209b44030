//! The codes of devices: what is secret is long, what people read is short and has no letter that looks like another.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

/// By this a secret is known from a password, by us and by whoever searches for secrets that leaked.
const SECRET_PREFIX: &str = "atcr_device_";
/// Consonants only, so that no code is a word: 20 of them, 8 places, 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS_OF_CODE: usize = 8;

/// What a person compares with what the device shows, like `WDJB-MJHT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode([u8; LETTERS_OF_CODE]);

impl UserCode {
    /// A code from random bytes.
    pub(super) fn of(random: &[u8; 32]) -> Self {
        // Of 256 values the last 16 would make some letters likelier; of 32 bytes more than 8 are below with certainty
        // enough, and what lacks is the first letter.
        let mut fair = random.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(byte % 20)]);
        Self(std::array::from_fn(|_| fair.next().unwrap_or(LETTERS[0])))
    }

    /// Reads a code as people type it: in any case, with or without the hyphen.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let letters: Vec<u8> =
            text.bytes().filter(|b| !matches!(b, b'-' | b' ')).map(|b| b.to_ascii_uppercase()).collect();
        let letters: [u8; LETTERS_OF_CODE] = letters.try_into().ok()?;
        letters.iter().all(|letter| LETTERS.contains(letter)).then_some(Self(letters))
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            let hyphen = if place == LETTERS_OF_CODE / 2 { "-" } else { "" };
            write!(f, "{hyphen}{}", char::from(*letter))?;
        }
        Ok(())
    }
}

/// Random bytes as text.
pub(super) fn text(random: &[u8; 32]) -> String {
    BASE64URL_NOPAD.encode(random)
}

/// The secret of a device.
pub(super) fn device_secret(random: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", text(random))
}

/// Whether a password is meant to be the secret of a device.
#[must_use]
pub fn is_device_secret(text: &str) -> bool {
    text.starts_with(SECRET_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::{UserCode, device_secret, is_device_secret};

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = UserCode::of(&std::array::from_fn(|n| u8::try_from(n).unwrap()));
        assert_eq!(code.to_string(), "BCDF-GHJK");
        for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk "] {
            assert_eq!(UserCode::parse(text).as_ref(), Some(&code), "{text}");
        }
        for text in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "1CDF-GHJK", &"B".repeat(1000), "ÄCDFGHJ"] {
            assert_eq!(UserCode::parse(text), None, "{text}");
        }
        assert_eq!(UserCode::of(&[255; 32]).to_string(), "BBBB-BBBB");
    }

    #[test]
    fn a_secret_is_known_from_a_password() {
        assert!(is_device_secret(&device_secret(&[7; 32])));
        assert!(!is_device_secret("abcd-efgh-ijkl-mnop"));
    }
}
