//! Names of images within a registry.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>

text_newtype!(
    /// The name of an image, such as `myapp` or `team/my-app`: the specification's repository name.
    ImageName,
    "image name",
    check
);

/// The limit in the lexicons of records.
const MAX_BYTES: usize = 256;

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_BYTES {
        return Err("it must have at most 256 characters");
    }
    if text.split('/').all(is_component) { Ok(()) } else { Err("it must look like myapp or team/my-app") }
}

/// Whether `text` consists of words of lower-case letters and digits, separated by `.`, `_`, `__` or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.starts_with(is_word) || !text.ends_with(is_word) {
        return false;
    }
    let separators = text.split(is_word).filter(|separator| !separator.is_empty());
    separators.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::ImageName;

    #[test]
    fn names_are_those_of_the_specification() {
        for name in ["a", "my-app", "my--app", "a.b_c__d", "team/app/1", &"a".repeat(256)] {
            assert!(ImageName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a/", "/a", "a//b", "a..b", "a___b", "a._b", "ä", "a b", &"a".repeat(257)] {
            assert!(ImageName::parse(name).is_err(), "{name}");
        }
    }
}
