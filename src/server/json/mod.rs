//! JSON of strangers, parsed within a limit of memory. Pure.
//!
//! An object with one field has five bytes as text and more than 600 in memory, so a document of 4 MiB could take half a
//! gigabyte.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Limit of the memory of a parsed document, as [`memory_bytes`] estimates it. A page of 4 MiB with 24,000 layers of
/// images takes a third of this.
const MAX_MEMORY_BYTES: usize = 64 << 20;
/// Memory of a value.
const VALUE_BYTES: usize = size_of::<Value>();
/// Memory of an object that is not empty: it has room for eleven fields.
const OBJECT_BYTES: usize = 11 * (size_of::<String>() + VALUE_BYTES);

/// Errors of parsing.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The document has so many values that it would take too much memory.
    #[error("it has too many values")]
    TooManyValues,
    /// The document is not JSON, or not of the expected form.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
}

/// Parses a document. Its length is for the caller to limit.
///
/// # Errors
/// [`JsonError`]
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    if memory_bytes(bytes) > MAX_MEMORY_BYTES {
        return Err(JsonError::TooManyValues);
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Returns about how much memory a document takes once it is parsed as a [`Value`], besides its texts. Other types take
/// less.
fn memory_bytes(bytes: &[u8]) -> usize {
    let (mut total, mut in_text, mut is_escaped, mut before) = (0, false, false, 0);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            // Each value but the outermost stands after one of these.
            b'[' | b',' | b':' => total += VALUE_BYTES,
            _ => {}
        }
        // An object has a field where a text stands at its beginning.
        if before == b'{' && *byte == b'"' {
            total += OBJECT_BYTES;
        }
        if !byte.is_ascii_whitespace() {
            before = if in_text { b'"' } else { *byte };
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{JsonError, parse};

    fn list(item: &str, bytes: usize) -> String {
        format!("[{}]", vec![item; bytes / (item.len() + 1)].join(","))
    }

    #[test]
    fn a_document_that_would_take_much_memory_is_refused() {
        let chain = format!("{}0{}", r#"{"":"#.repeat(100), "}".repeat(100));
        let spaced = chain.replace('{', "{ \n");
        for item in [&chain, &spaced, "{}", "[]", "0", r#""""#] {
            let document = list(item, 12 << 20);
            assert!(matches!(parse::<Value>(document.as_bytes()), Err(JsonError::TooManyValues)), "{item}");
            assert!(parse::<Value>(list(item, 100_000).as_bytes()).is_ok(), "{item}");
        }
    }

    #[test]
    fn a_page_of_records_and_long_texts_are_parsed() {
        let layer = json!({
            "digest": format!("sha256:{}", "7".repeat(64)), "size": 12_345_678,
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        });
        assert!(parse::<Value>(list(&layer.to_string(), 4 << 20).as_bytes()).is_ok());
        let text = json!({ "text": r#"{"":"#.repeat(1 << 20), "\\\"": r#"\"[,:{"#.repeat(1 << 20) });
        assert_eq!(parse::<Value>(text.to_string().as_bytes()).unwrap(), text);
    }

    #[test]
    fn the_parser_names_what_is_wrong() {
        let error = parse::<Value>(br#"{"a":}"#).unwrap_err();
        assert!(error.to_string().contains("line 1 column 6"), "{error}");
    }
}
