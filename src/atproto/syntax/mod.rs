//! The identifiers of the AT Protocol and of OCI as types: parsed once, where they come in, then trusted.
//!
//! One newtype a file. Each is immutable text that has passed its grammar, with `parse`, `as_str`,
//! `Display`, and serde as a string. This room knows no I/O, no clock and no other room.
//! Grammars: <https://atproto.com/specs/did> and its neighbours (handle, nsid, record-key, tid, at-uri-scheme).

/// Declares a text newtype without its grammar. The grammar is a `fn check(&str) -> Result<(), &'static str>` in the
/// same file, whose error is a reason that can follow "is not a valid …: ".
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks `text` against the grammar.
            ///
            /// # Errors
            /// [`SyntaxError`](crate::syntax::SyntaxError) with the kind of identifier and what is wrong.
            pub fn parse(text: &str) -> Result<Self, crate::syntax::SyntaxError> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err(crate::syntax::SyntaxError { kind: $kind, reason }),
                }
            }

            /// Returns the text as it was parsed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::syntax::SyntaxError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

mod at_uri;
mod cid_text;
mod datetime;
mod did;
mod digest;
mod handle;
mod hold_id;
mod image_name;
mod media_type;
mod nsid;
mod record_key;
mod service_url;
mod size;
mod tag;
mod tid;

pub use at_uri::AtUri;
pub use cid_text::CidText;
pub use datetime::{Datetime, micros, millis};
pub use did::Did;
pub use digest::Digest;
pub use handle::Handle;
pub use hold_id::HoldId;
pub use image_name::ImageName;
pub use media_type::MediaType;
pub use nsid::Nsid;
pub use record_key::RecordKey;
pub use service_url::ServiceUrl;
pub use size::Size;
pub use tag::Tag;
pub use tid::Tid;

/// The error of a text that violates the grammar of its type. It never repeats the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {reason}")]
pub struct SyntaxError {
    /// The expected type, for example `DID`.
    pub kind: &'static str,
    /// The reason.
    pub reason: &'static str,
}
