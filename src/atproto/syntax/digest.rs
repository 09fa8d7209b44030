//! OCI content digests. Only SHA-256 is supported.
//! <https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>

use super::SyntaxError;

const PREFIX: &str = "sha256:";
const ERROR: SyntaxError =
    SyntaxError { kind: "digest", reason: "it must be \"sha256:\" and 64 lower-case hexadecimal digits" };

/// A SHA-256 digest, `sha256:<64 lower-case hex digits>` as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Creates the digest with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hexadecimal digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// For another algorithm, upper-case digits or another length.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let hex = text.strip_prefix(PREFIX).ok_or(ERROR)?;
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| ERROR)?;
        bytes.try_into().map(Self).map_err(|_| ERROR)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&self.hex())
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
