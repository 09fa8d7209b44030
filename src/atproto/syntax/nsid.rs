//! Namespaced identifiers: the names of methods and collections. <https://atproto.com/specs/nsid>

text_newtype!(
    /// An NSID such as `io.atcr.hold.crew`.
    Nsid,
    "NSID",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > 317 {
        return Err("longer than 317 bytes");
    }
    let (authority, name) = text.rsplit_once('.').ok_or("it needs at least three segments")?;
    if !authority.contains('.') {
        return Err("it needs at least three segments");
    }
    for segment in authority.split('.') {
        if segment.is_empty() || segment.len() > 63 {
            return Err("each segment must have 1 to 63 characters");
        }
        let hyphen_at_edge = segment.starts_with('-') || segment.ends_with('-');
        if hyphen_at_edge || !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err("segments are letters, digits and inner hyphens");
        }
    }
    if authority.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("it must not begin with a digit");
    }
    let name_ok = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if name_ok { Ok(()) } else { Err("the name is 1 to 63 letters and digits and begins with a letter") }
}

impl Nsid {
    /// Whether its domain is in lower case. Domains that differ in case alone are one authority, so NSIDs are written
    /// in lower case, and a repository has no others: <https://atproto.com/specs/nsid>.
    #[must_use]
    pub fn is_normalized(&self) -> bool {
        let authority = self.as_str().rsplit_once('.').map_or("", |(authority, _)| authority);
        !authority.bytes().any(|byte| byte.is_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::Nsid;

    #[test]
    fn a_domain_in_upper_case_is_not_normalized() {
        for (text, is_normalized) in
            [("com.example.fooBar", true), ("Com.example.foo", false), ("com.eXample.foo", false)]
        {
            assert_eq!(Nsid::parse(text).unwrap().is_normalized(), is_normalized, "{text}");
        }
    }

    #[test]
    fn only_the_whole_is_bounded_and_each_segment() {
        let long = |middles| format!("com.{}foo", "middle.".repeat(middles));
        assert!(Nsid::parse(&long(44)).is_ok());
        assert!(Nsid::parse(&long(45)).is_err());
        assert!(Nsid::parse(&format!("com.{}.foo", "a".repeat(63))).is_ok());
        assert!(Nsid::parse(&format!("com.{}.foo", "a".repeat(64))).is_err());
    }
}
