//! Secret text, which is never shown.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Secret text. `Debug` and serialization show asterisks; [`Secret::expose`] returns the text.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Secret(Zeroizing<String>);

const MASK: &str = "********";

impl Secret {
    /// Returns the text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    /// Refuses the mask: it comes from a configuration that was printed, and would fail much later.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == MASK {
            return Err("it is the mask that check-config prints: put the secret itself there");
        }
        Ok(Self(Zeroizing::new(text)))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}
