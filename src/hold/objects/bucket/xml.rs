//! Parsing of the XML documents in responses of stores.

use serde::de::DeserializeOwned;

use super::fault::Fault;

/// Parses a response.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    // Azure begins with a byte order mark.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    quick_xml::de::from_reader(body).map_err(|_| Fault::InvalidResponse("its XML is not the expected document"))
}
