//! Media types without parameters. <https://www.rfc-editor.org/rfc/rfc6838#section-4.2>

text_newtype!(
    /// A media type such as `image/png`: in lower case, without parameters.
    MediaType,
    "media type",
    check
);

/// Limit of each half in characters, by the specification.
const MAX_HALF: usize = 127;

fn check(text: &str) -> Result<(), &'static str> {
    let (kind, subtype) = text.split_once('/').ok_or("it must be like image/png")?;
    for half in [kind, subtype] {
        if half.is_empty() || half.len() > MAX_HALF {
            return Err("each of its halves must have 1 to 127 characters");
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b);
        if !half.bytes().all(allowed) {
            return Err("only lower-case letters, digits and ! # $ & - ^ _ . + are allowed");
        }
    }
    Ok(())
}

impl MediaType {
    /// Returns `application/octet-stream`, the type of bytes without a description.
    #[must_use]
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".into())
    }

    /// Returns the type in a Content-Type header: lower-cased, without parameters; `*/*` becomes
    /// [`MediaType::octet_stream`].
    ///
    /// # Errors
    /// [`SyntaxError`](super::SyntaxError) when the header names none.
    pub fn of_header(text: &str) -> Result<Self, super::SyntaxError> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence == "*/*" { Ok(Self::octet_stream()) } else { Self::parse(&essence) }
    }
}

#[cfg(test)]
mod tests {
    use super::MediaType;

    #[test]
    fn headers_name_types() {
        for (header, expected) in [
            ("image/png", "image/png"),
            ("Image/JPEG; q=1", "image/jpeg"),
            ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
            ("*/*", "application/octet-stream"),
            ("*/*;q=0.8", "application/octet-stream"),
        ] {
            assert_eq!(MediaType::of_header(header).unwrap().as_str(), expected);
        }
        let long = format!("image/{}", "x".repeat(128));
        for header in ["", "image", "image/", "/png", "image/*", "im age/png", "image/png/x", "image/pñg", &long] {
            assert!(MediaType::of_header(header).is_err(), "{header}");
        }
    }
}
