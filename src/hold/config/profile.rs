//! Checks the profile: texts within their limits, and a picture, which is read from its file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::raw;
use atproto::lexicon::{DESCRIPTION, DISPLAY_NAME, MAX_PICTURE_BYTES, TextBound};
use atproto::syntax::MediaType;

/// The declared profile; the rest of the record stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The display name.
    pub display_name: Option<String>,
    /// The description of the hold.
    pub description: Option<String>,
    /// The picture.
    pub avatar: Option<Avatar>,
}

/// A picture, as read from its file.
#[derive(Clone)]
pub struct Avatar {
    /// The media type: PNG or JPEG, by its first bytes.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The first bytes of a file of each media type.
const MAGIC: [(&[u8], &str); 2] = [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg")];

impl std::fmt::Debug for Avatar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} bytes", self.media_type, self.bytes.len())
    }
}

/// Checks the options. An error is the option and the problem.
pub(super) fn check(raw: &raw::Profile) -> Result<Profile, (&'static str, String)> {
    let avatar = raw.avatar.as_deref().filter(|path| !path.is_empty()).map(read);
    Ok(Profile {
        display_name: text("profile.display_name", raw.display_name.as_deref(), &DISPLAY_NAME)?,
        description: text("profile.description", raw.description.as_deref(), &DESCRIPTION)?,
        avatar: avatar.transpose().map_err(|problem| ("profile.avatar", problem))?,
    })
}

fn text(
    option: &'static str,
    value: Option<&str>,
    bound: &TextBound,
) -> Result<Option<String>, (&'static str, String)> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    bound.check(value).map_err(|problem| (option, format!("it {problem}")))?;
    Ok(Some(value.to_owned()))
}

fn read(path: &str) -> Result<Avatar, String> {
    let unreadable = |e: std::io::Error| format!("{path} cannot be read: {e}");
    // Opening a pipe would block the start.
    if !Path::new(path).metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{path} is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(MAX_PICTURE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_PICTURE_BYTES {
        return Err(format!("{path} has more than {MAX_PICTURE_BYTES} bytes: use a smaller picture"));
    }
    let kind = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    let media_type = kind.and_then(|(_, kind)| MediaType::parse(kind).ok());
    let media_type =
        media_type.ok_or_else(|| format!("{path} is neither PNG nor JPEG: use a picture of these types"))?;
    Ok(Avatar { media_type, bytes })
}
