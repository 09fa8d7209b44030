//! The XML that stores answer with: a document, or an error in its place.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;

/// A code is one word; anything longer is not shown.
const MAX_CODE_BYTES: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(rename = "Error", rename_all = "PascalCase")]
struct ErrorDocument {
    code: String,
}

/// Reads an answer.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    // Azure begins with a mark of its byte order.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    quick_xml::de::from_reader(body).map_err(|_| Fault::InvalidResponse("its XML is not the expected document"))
}

/// The code of an error document; `None` when the document is no error.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let root = text.split_once("?>").map_or(text, |(_, rest)| rest).trim_start();
    if !root.starts_with("<Error") {
        return None;
    }
    Some(word(quick_xml::de::from_str::<ErrorDocument>(root).map(|error| error.code).unwrap_or_default()))
}

/// The code, if it is one.
pub(super) fn word(code: String) -> String {
    let is_word = code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { code } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_from_an_answer() {
        let error =
            br#"<?xml version="1.0" encoding="UTF-8"?>  <Error><Code>InternalError</Code><Message>m</Message></Error>"#;
        assert_eq!(error_code(error).as_deref(), Some("InternalError"));
        assert_eq!(error_code(b"<Error><Code>a secret/path</Code></Error>").as_deref(), Some(""));
        assert_eq!(error_code(b"<Error>").as_deref(), Some(""));
        assert_eq!(error_code(b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"), None);
        assert_eq!(error_code(b""), None);
    }
}
