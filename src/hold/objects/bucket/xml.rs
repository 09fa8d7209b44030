//! Reads the XML documents that stores answer with.

use serde::de::DeserializeOwned;

use super::fault::Fault;

/// Reads an answer.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    // Azure begins with a mark of its byte order.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    quick_xml::de::from_reader(body).map_err(|_| Fault::InvalidResponse("its XML is not the expected document"))
}
