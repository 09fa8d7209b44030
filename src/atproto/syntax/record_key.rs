//! Record keys: the last part of a record's AT URI. <https://atproto.com/specs/record-key>

text_newtype!(
    /// A record key: 1 to 512 of letters, digits and `. - _ : ~`, but not `.` or `..`.
    RecordKey,
    "record key",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 512 {
        return Err("it must have 1 to 512 characters");
    }
    if text == "." || text == ".." {
        return Err("\".\" and \"..\" are reserved");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:~".contains(&b)) {
        return Err("only letters, digits and . - _ : ~ are allowed");
    }
    Ok(())
}
