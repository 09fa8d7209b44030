//! The profile record, and what its lexicon bounds. Fields we do not know are kept in `other`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::syntax::{AtUri, CidText, Datetime, MediaType};

/// `app.bsky.actor.profile/self`: how the hold shows itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// A sentence about the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How to speak of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronouns: Option<String>,
    /// The small picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Picture>,
    /// The wide picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<Picture>,
    /// A post that is shown first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_post: Option<StrongRef>,
    /// The starter pack through which the account joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_via_starter_pack: Option<StrongRef>,
    /// When the profile was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Datetime>,
    /// Fields this version does not know, `$type` among them.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A reference to a picture of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// `blob`.
    #[serde(rename = "$type")]
    pub kind: String,
    /// The blob.
    #[serde(rename = "ref")]
    pub link: Link,
    /// Its media type.
    pub mime_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
}

/// A link to a block or blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its CID.
    #[serde(rename = "$link")]
    pub cid: CidText,
}

/// A record in one version: `com.atproto.repo.strongRef`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrongRef {
    /// The record.
    pub uri: AtUri,
    /// The version.
    pub cid: CidText,
}

/// How long a text may be.
pub struct TextBound {
    /// Characters as people count them.
    pub graphemes: usize,
    /// Bytes of UTF-8.
    pub bytes: usize,
}

/// Of the name for people.
pub const DISPLAY_NAME: TextBound = TextBound { graphemes: 64, bytes: 640 };
/// Of the sentence about the hold.
pub const DESCRIPTION: TextBound = TextBound { graphemes: 256, bytes: 2560 };
const PRONOUNS: TextBound = TextBound { graphemes: 20, bytes: 200 };
/// Media types of a picture.
pub const PICTURE_TYPES: [&str; 2] = ["image/png", "image/jpeg"];
/// Bytes of a picture.
pub const MAX_PICTURE_BYTES: u64 = 1_000_000;

impl TextBound {
    /// Checks the length of `text`.
    ///
    /// # Errors
    /// What it may have, in words that can follow the name of the field.
    pub fn check(&self, text: &str) -> Result<(), String> {
        // Bytes first: they bound the counting.
        if text.len() <= self.bytes && text.graphemes(true).count() <= self.graphemes {
            return Ok(());
        }
        Err(format!("has at most {} characters and {} bytes", self.graphemes, self.bytes))
    }
}

impl Profile {
    /// Checks what the lexicon says of the fields besides their types.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let texts = [
            ("displayName", &self.display_name, DISPLAY_NAME),
            ("description", &self.description, DESCRIPTION),
            ("pronouns", &self.pronouns, PRONOUNS),
        ];
        for (name, text, bound) in texts {
            bound.check(text.as_deref().unwrap_or_default()).map_err(|problem| format!("{name} {problem}"))?;
        }
        for (name, picture) in [("avatar", &self.avatar), ("banner", &self.banner)] {
            let Some(picture) = picture else { continue };
            if picture.kind != "blob" || !PICTURE_TYPES.contains(&picture.mime_type.as_str()) {
                return Err(format!("{name} must be a blob of image/png or image/jpeg"));
            }
            if picture.size > MAX_PICTURE_BYTES {
                return Err(format!("{name} has at most {MAX_PICTURE_BYTES} bytes"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DISPLAY_NAME;

    #[test]
    fn characters_are_counted_as_people_do() {
        // One family of 25 bytes; ten bytes a character on average are allowed.
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert!(DISPLAY_NAME.check(&family.repeat(25)).is_ok());
        assert!(DISPLAY_NAME.check(&family.repeat(26)).is_err());
        assert!(DISPLAY_NAME.check(&"ü".repeat(64)).is_ok());
        assert!(DISPLAY_NAME.check(&"ü".repeat(65)).is_err());
    }
}
