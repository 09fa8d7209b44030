//! Codes and secrets of devices: secrets are long, user codes are short and have no letters that look alike.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

/// Prefix of a device's secret, by which this registry and scanners for leaked secrets tell it from a password.
const SECRET_PREFIX: &str = "atcr_device_";
/// Consonants only, so that no code is a word: 20 of them, 8 places, 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS_OF_CODE: usize = 8;

/// A code that a person compares with the one on the device, like `WDJB-MJHT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode([u8; LETTERS_OF_CODE]);

impl UserCode {
    /// Makes a code of random bytes.
    pub(super) fn of(random: &[u8; 32]) -> Self {
        // The 16 values from 240 on would make some letters likelier, so they are skipped. Among 32 bytes at least 8
        // are below 240 with near certainty; a missing one becomes the first letter.
        let mut fair = random.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(byte % 20)]);
        Self(std::array::from_fn(|_| fair.next().unwrap_or(LETTERS[0])))
    }

    /// Parses a code as people type it: in any case, with or without the hyphen.
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

/// Returns random bytes as base64url.
pub(super) fn text(random: &[u8; 32]) -> String {
    BASE64URL_NOPAD.encode(random)
}

/// Makes the secret of a device.
pub(super) fn device_secret(random: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", text(random))
}

/// Whether a password has the form of a device's secret.
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
