//! JSON objects without duplicate names, of which one parser would take the first value, another the last.

use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Parses `bytes` as one object without duplicate names at its top level.
pub(super) fn object(bytes: &[u8]) -> serde_json::Result<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let object = deserializer.deserialize_map(Strict)?;
    deserializer.end()?;
    Ok(object)
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = access.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn names_occur_once_however_they_are_written() {
        assert_eq!(object(br#"{"a":1,"b":{"a":2}}"#).unwrap().len(), 2);
        for text in
            [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":1} x"#, r#"{"a":1}{}"#, "[1]", "1", "null", ""]
        {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
    }
}
