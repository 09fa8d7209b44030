//! Tags of images. <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>

text_newtype!(
    /// A tag such as `latest`: 1 to 128 of letters, digits and `. _ -`, the first of them no `.` or `-`.
    Tag,
    "tag",
    check
);

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
    use super::Tag;

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
