//! Handles: domain names of accounts. <https://atproto.com/specs/handle>

text_newtype!(
    /// A handle, as written (its case is kept; compare in lower case).
    Handle,
    "handle",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > 253 {
        return Err("longer than 253 bytes");
    }
    let mut labels = 0;
    for label in text.split('.') {
        labels += 1;
        if label.is_empty() || label.len() > 63 {
            return Err("each label must have 1 to 63 characters");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            || label.starts_with('-')
            || label.ends_with('-')
        {
            return Err("labels are letters, digits and inner hyphens");
        }
    }
    if labels < 2 {
        return Err("it needs at least two labels");
    }
    match text.rsplit('.').next().and_then(|tld| tld.bytes().next()) {
        Some(first) if first.is_ascii_alphabetic() => Ok(()),
        _ => Err("the last label must begin with a letter"),
    }
}
