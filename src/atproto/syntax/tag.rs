//! Tags of images. <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>

use super::Digest;

text_newtype!(
    /// A tag such as `latest`: 1 to 128 of letters, digits and `. _ -`, the first of them not `.` or `-`.
    Tag,
    "tag",
    check
);

impl Tag {
    /// Returns the digest of the manifest that a tag of the scheme before referrers (`sha256-<hex>.sig`) attaches
    /// something to, and the rest of the tag. `None`: it is the tag of an image.
    #[must_use]
    pub fn attached_to(&self) -> Option<(Digest, &str)> {
        let (hex, kind) = self.as_str().strip_prefix("sha256-")?.split_at_checked(64)?;
        Some((Digest::parse(&format!("sha256:{hex}")).ok()?, kind))
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let allowed = |byte: u8| is_word(byte) || byte == b'.' || byte == b'-';
    match text.as_bytes() {
        [first, rest @ ..] if is_word(*first) && rest.len() < 128 && rest.iter().all(|byte| allowed(*byte)) => Ok(()),
        _ => Err("it must have 1 to 128 letters, digits and . _ - and not begin with . or -"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Tag};

    #[test]
    fn a_tag_with_a_digest_is_attached_to_that_manifest() {
        let digest = Digest::from_bytes([7; 32]);
        let tag = |text: &str| Tag::parse(text).unwrap();
        let attached = tag(&format!("sha256-{}.sig", digest.hex()));
        assert_eq!(attached.attached_to(), Some((digest, ".sig")));
        for other in ["v1", "sha256-07", &format!("sha256-{}", "x".repeat(64))] {
            assert_eq!(tag(other).attached_to(), None, "{other}");
        }
    }

    #[test]
    fn tags_are_those_of_the_specification() {
        for tag in ["a", "_", "v1.2-rc.3", "LATEST", &"9".repeat(128)] {
            assert!(Tag::parse(tag).is_ok(), "{tag}");
        }
        for tag in ["", ".a", "-a", "a b", "a/b", "a:b", "ä", &"9".repeat(129)] {
            assert!(Tag::parse(tag).is_err(), "{tag}");
        }
    }
}
