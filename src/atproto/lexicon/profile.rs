//! The profile record, and the limits of its lexicon. Unknown fields are kept in `other`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::syntax::{AtUri, CidText, Datetime, MediaType};

/// `app.bsky.actor.profile/self`: the public profile of the hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Pronouns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pronouns: Option<String>,
    /// The profile picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Picture>,
    /// The banner picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<Picture>,
    /// The pinned post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_post: Option<StrongRef>,
    /// The starter pack through which the account joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_via_starter_pack: Option<StrongRef>,
    /// Time when the profile was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Datetime>,
    /// Unknown fields, and `$type`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A blob reference to a picture of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// Always `blob`.
    #[serde(rename = "$type")]
    pub kind: String,
    /// The blob.
    #[serde(rename = "ref")]
    pub link: Link,
    /// The media type of the blob.
    pub mime_type: MediaType,
    /// Size of the blob in bytes.
    pub size: u64,
}

/// A link to a block or blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The CID.
    #[serde(rename = "$link")]
    pub cid: CidText,
}

/// A record in one version: `com.atproto.repo.strongRef`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrongRef {
    /// The URI of the record.
    pub uri: AtUri,
    /// The CID of the version.
    pub cid: CidText,
}

/// Limits of a text's length.
pub struct TextBound {
    /// Limit in graphemes, the characters that a reader sees.
    pub graphemes: usize,
    /// Limit in bytes of UTF-8.
    pub bytes: usize,
}

/// Limits of the display name.
pub const DISPLAY_NAME: TextBound = TextBound { graphemes: 64, bytes: 640 };
/// Limits of the description.
pub const DESCRIPTION: TextBound = TextBound { graphemes: 256, bytes: 2560 };
const PRONOUNS: TextBound = TextBound { graphemes: 20, bytes: 200 };
/// Permitted media types of a picture.
pub const PICTURE_TYPES: [&str; 2] = ["image/png", "image/jpeg"];
/// Limit of a picture in bytes.
pub const MAX_PICTURE_BYTES: u64 = 1_000_000;

impl TextBound {
    /// Checks the length of `text`.
    ///
    /// # Errors
    /// The limits, as a phrase to follow the name of the field.
    pub fn check(&self, text: &str) -> Result<(), String> {
        // Bytes first: they limit the counting of graphemes.
        if text.len() <= self.bytes && text.graphemes(true).count() <= self.graphemes {
            return Ok(());
        }
        Err(format!("has at most {} characters and {} bytes", self.graphemes, self.bytes))
    }
}

impl Profile {
    /// Checks the lexicon's constraints on the fields besides their types.
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
