//! Content identifiers as text. The binary form and its rules are in `repo`.

text_newtype!(
    /// Text that has the shape of a CID: 8 to 256 alphanumeric characters, `+` and `=`, but not CIDv0.
    CidText,
    "CID",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if !(8..=256).contains(&text.len()) {
        return Err("it must have 8 to 256 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=".contains(&b)) {
        return Err("only letters, digits, '+' and '=' are allowed");
    }
    if text.starts_with("Qmb") {
        return Err("CIDv0 is not used in the AT Protocol");
    }
    Ok(())
}
