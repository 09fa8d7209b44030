//! DAG-CBOR and JSON forms of the AT Protocol's data model.
//! <https://atproto.com/specs/data-model>, <https://dasl.ing/drisl.html>

use std::collections::BTreeMap;

pub use ipld_core::ipld::Ipld;
use serde::{Serialize, de::Deserialize};
use serde_json::{Map, Number, Value};

use super::{RepoError, cid};

/// Limit of nested lists and maps; records are a few levels deep. It keeps recursion far from a stack overflow.
const MAX_DEPTH: usize = 64;
/// Limit of the memory of a decoded value, as [`memory_bytes`] estimates it. A map of one field has three bytes in
/// DAG-CBOR and 1,700 in memory, so a record of 1,000,000 bytes could take half a gigabyte. A list of 5,000 layers takes
/// a third of this.
const MAX_MEMORY_BYTES: usize = 32 << 20;
/// Memory of a value.
const VALUE_BYTES: usize = size_of::<Ipld>();
/// Memory of a map that is not empty: it has room for eleven fields.
const MAP_BYTES: usize = 11 * (size_of::<String>() + VALUE_BYTES);
/// Limit of JSON numbers written with a fraction or exponent: up to it they are accepted as integers when they are
/// exact.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Encodes a value in DAG-CBOR's canonical form.
///
/// # Errors
/// [`RepoError::InvalidCbor`] for floats, integers outside of 64 signed bits, foreign CIDs, and too deep or too many
/// values.
pub fn encode(value: &Ipld) -> Result<Vec<u8>, RepoError> {
    check(value, MAX_DEPTH)?;
    let bytes = write(value)?;
    check_memory(&bytes)?;
    Ok(bytes)
}

/// Decodes a value, which must be all of `bytes` and in canonical form.
///
/// # Errors
/// [`RepoError::InvalidCbor`] for everything that [`encode`] would not have written.
pub fn decode(bytes: &[u8]) -> Result<Ipld, RepoError> {
    // Before anything of it is in memory.
    check_memory(bytes)?;
    let value = read(bytes)?;
    check(&value, MAX_DEPTH)?;
    Ok(value)
}

/// Encodes a type of this room in DAG-CBOR.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, RepoError> {
    serde_ipld_dagcbor::to_vec(value).map_err(|_| RepoError::InvalidCbor("it cannot be written"))
}

/// Decodes a type of this room, strictly: encoding the result must give the same bytes.
pub(super) fn read<'a, T: Deserialize<'a> + Serialize>(bytes: &'a [u8]) -> Result<T, RepoError> {
    let value: T = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| RepoError::InvalidCbor("it cannot be read"))?;
    if write(&value)? == bytes { Ok(value) } else { Err(RepoError::InvalidCbor("it is not in its only form")) }
}

fn check_memory(bytes: &[u8]) -> Result<(), RepoError> {
    if memory_bytes(bytes) <= MAX_MEMORY_BYTES { Ok(()) } else { Err(RepoError::InvalidCbor("it has too many values")) }
}

/// Returns about how much memory a value takes once it is decoded, besides its texts and bytes. The estimate ends where
/// `bytes` are malformed, as the decoder does.
fn memory_bytes(mut bytes: &[u8]) -> usize {
    const BYTES: u8 = 2;
    const TEXT: u8 = 3;
    const MAP: u8 = 5;
    let mut total = 0;
    while let [head, rest @ ..] = bytes {
        let (kind, short) = (head >> 5, head & 0x1f);
        let length = match short {
            0..=23 => 0,
            24..=27 => 1 << (short - 24),
            _ => break,
        };
        let Some((number, rest)) = rest.split_at_checked(length) else { break };
        let short = if length == 0 { u64::from(short) } else { 0 };
        let number = number.iter().fold(short, |number, byte| (number << 8) | u64::from(*byte));
        let content = if matches!(kind, BYTES | TEXT) { usize::try_from(number).unwrap_or(usize::MAX) } else { 0 };
        let Some(rest) = rest.get(content..) else { break };
        total += VALUE_BYTES + if kind == MAP && number > 0 { MAP_BYTES } else { 0 };
        bytes = rest;
    }
    total
}

fn check(value: &Ipld, depth: usize) -> Result<(), RepoError> {
    let too_deep = RepoError::InvalidCbor("it is nested too deeply");
    match value {
        Ipld::Null | Ipld::Bool(_) | Ipld::String(_) | Ipld::Bytes(_) => Ok(()),
        Ipld::Integer(number) => match i64::try_from(*number) {
            Ok(_) => Ok(()),
            Err(_) => Err(RepoError::InvalidCbor("an integer does not fit into 64 bits")),
        },
        Ipld::Float(_) => Err(RepoError::InvalidCbor("floating-point numbers are not allowed")),
        Ipld::Link(link) => cid::check(link),
        Ipld::List(items) => {
            let depth = depth.checked_sub(1).ok_or(too_deep)?;
            items.iter().try_for_each(|item| check(item, depth))
        }
        Ipld::Map(fields) => {
            let depth = depth.checked_sub(1).ok_or(too_deep)?;
            fields.values().try_for_each(|field| check(field, depth))
        }
    }
}

/// Converts a JSON object, with `$link`, `$bytes` and blobs, to the data model.
///
/// # Errors
/// [`RepoError::InvalidJson`] for another type than an object, numbers that are not 64-bit integers, malformed `$link`,
/// `$bytes`, `$type` and blobs, and values nested too deeply.
pub fn from_json(json: &Value) -> Result<Ipld, RepoError> {
    match json {
        Value::Object(_) => value_from_json(json, MAX_DEPTH),
        _ => Err(RepoError::InvalidJson("it must be an object")),
    }
}

fn value_from_json(json: &Value, depth: usize) -> Result<Ipld, RepoError> {
    let too_deep = RepoError::InvalidJson("it is nested too deeply");
    Ok(match json {
        Value::Null => Ipld::Null,
        Value::Bool(truth) => Ipld::Bool(*truth),
        Value::Number(number) => Ipld::Integer(integer(number)?.into()),
        Value::String(text) => Ipld::String(text.clone()),
        Value::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(too_deep)?;
            Ipld::List(items.iter().map(|item| value_from_json(item, depth)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => match (fields.get("$link"), fields.get("$bytes")) {
            (None, None) => map_from_json(fields, depth.checked_sub(1).ok_or(too_deep)?)?,
            (Some(Value::String(text)), None) if fields.len() == 1 => {
                Ipld::Link(cid::parse(text).map_err(|_| RepoError::InvalidJson("\"$link\" must be a CIDv1 in base32"))?)
            }
            (None, Some(Value::String(text))) if fields.len() == 1 => Ipld::Bytes(bytes(text)?),
            _ => return Err(RepoError::InvalidJson("\"$link\" and \"$bytes\" stand alone and hold text")),
        },
    })
}

fn integer(number: &Number) -> Result<i64, RepoError> {
    if let Some(integer) = number.as_i64() {
        return Ok(integer);
    }
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "whole floats of this range are integers of 64 bits")]
        Some(float) if !number.is_u64() && float.fract() == 0.0 && float.abs() <= MAX_EXACT_FLOAT => Ok(float as i64),
        _ => Err(RepoError::InvalidJson("numbers must be integers of 64 bits")),
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, RepoError> {
    let codec = if text.ends_with('=') { data_encoding::BASE64 } else { data_encoding::BASE64_NOPAD };
    codec.decode(text.as_bytes()).map_err(|_| RepoError::InvalidJson("\"$bytes\" must be base64"))
}

fn map_from_json(fields: &Map<String, Value>, depth: usize) -> Result<Ipld, RepoError> {
    let map = fields
        .iter()
        .map(|(name, field)| Ok((name.clone(), value_from_json(field, depth)?)))
        .collect::<Result<BTreeMap<_, _>, RepoError>>()?;
    match map.get("$type") {
        None => {}
        Some(Ipld::String(name)) if name == "blob" => check_blob(&map)?,
        Some(Ipld::String(name)) if !name.is_empty() => {}
        Some(_) => return Err(RepoError::InvalidJson("\"$type\" must be text that is not empty")),
    }
    Ok(Ipld::Map(map))
}

fn check_blob(map: &BTreeMap<String, Ipld>) -> Result<(), RepoError> {
    match (map.get("ref"), map.get("mimeType"), map.get("size")) {
        (Some(Ipld::Link(link)), Some(Ipld::String(mime_type)), Some(Ipld::Integer(0..)))
            if cid::is_raw(link) && !mime_type.is_empty() =>
        {
            Ok(())
        }
        _ => Err(RepoError::InvalidJson("a blob has \"ref\" (a raw CID), \"mimeType\" and \"size\"")),
    }
}

/// Converts a value to JSON, if it was decoded or made by [`from_json`].
///
/// Values that such a value cannot have (floats, integers beyond 64 bits) become `null`.
#[must_use]
pub fn to_json(value: &Ipld) -> Value {
    let tagged = |tag: &str, text: String| Value::Object(Map::from_iter([(tag.to_owned(), Value::String(text))]));
    match value {
        Ipld::Null | Ipld::Float(_) => Value::Null,
        Ipld::Bool(truth) => Value::Bool(*truth),
        Ipld::Integer(number) => i64::try_from(*number).map_or(Value::Null, Value::from),
        Ipld::String(text) => Value::String(text.clone()),
        Ipld::Bytes(bytes) => tagged("$bytes", data_encoding::BASE64_NOPAD.encode(bytes)),
        Ipld::Link(link) => tagged("$link", link.to_string()),
        Ipld::List(items) => Value::Array(items.iter().map(to_json).collect()),
        Ipld::Map(fields) => Value::Object(fields.iter().map(|(name, field)| (name.clone(), to_json(field))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{MAX_DEPTH, decode, encode, from_json, to_json};
    use crate::repo::RepoError;

    #[test]
    fn what_is_not_in_its_only_form_is_refused() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        for (name, bytes) in [
            ("nothing", ""),
            ("a float", "fb3ff8000000000000"),
            ("a half float", "f93e00"),
            ("NaN", "f97e00"),
            ("undefined", "f7"),
            ("a longer integer than needed", "1801"),
            ("a longer length than needed", "780161"),
            ("an integer beyond i64", "1b8000000000000000"),
            ("a negative integer beyond i64", "3b8000000000000000"),
            ("keys by the alphabet instead of by length", "a2626161016162 02".replace(' ', "").as_str()),
            ("a key twice", "a2616101616102"),
            ("a number as key", "a10101"),
            ("an indefinite list", "9f01ff"),
            ("an indefinite text", "7f6161ff"),
            ("a tag other than 42", "c000"),
            ("a tag 42 around text", "d82a6161"),
            ("bytes after the end", "0101"),
            ("a list that ends early", "8301"),
            ("a list of 2^40", "9b0000010000000000"),
            ("text that is not UTF-8", "61ff"),
        ] {
            assert!(decode(&hex(bytes)).is_err(), "{name}");
        }
        assert!(decode(&hex("a2616201626161 02".replace(' ', "").as_str())).is_ok());
    }

    #[test]
    fn links_are_cids_of_the_protocol_without_bytes_after_them() {
        let link = encode(&from_json(&json!({"a": {"$link": crate::repo::cid::dag_cbor(b"").to_string()}})).unwrap());
        let link = link.unwrap();
        assert!(decode(&link).is_ok());
        let mut longer = link.clone();
        longer[6] += 1; // the length of the byte string
        longer.push(0);
        let mut identity = link.clone();
        identity[10] = 0;
        assert!(decode(&longer).is_err());
        assert!(decode(&identity).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x80]].concat();
        assert!(decode(&nested(MAX_DEPTH - 1)).is_ok());
        for depth in [MAX_DEPTH, 1_000_000] {
            assert!(decode(&nested(depth)).is_err());
        }
        let mut json = json!({});
        for _ in 0..MAX_DEPTH {
            json = json!({ "a": json });
        }
        assert!(from_json(&json).is_err());
    }

    #[test]
    fn a_value_that_would_take_much_memory_is_refused_before_it_does() {
        // A list of chains of maps, each the only field of the one around it.
        let chain = [&b"\xa1\x60".repeat(60)[..], b"\x00"].concat();
        let list = |item: &[u8], count: u32| {
            let length = count.to_be_bytes();
            let head = if count > 0xffff { [&[0x9a], &length[..]] } else { [&[0x99], &length[2..]] };
            [&head.concat(), &item.repeat(count as usize)[..]].concat()
        };
        assert!(decode(&list(&chain, 300)).is_ok());
        for (item, count) in [(&chain[..], 8_000), (b"\x00", 1_000_000), (b"\x80", 1_000_000), (b"\xa0", 1_000_000)] {
            assert!(matches!(decode(&list(item, count)), Err(RepoError::InvalidCbor("it has too many values"))));
        }
        let zeros = super::Ipld::List(vec![super::Ipld::Integer(0); 1_000_000]);
        assert!(encode(&zeros).is_err(), "what cannot be decoded is not encoded");
        // What records have: much text, many bytes.
        for large in [super::Ipld::String("a".repeat(1_000_000)), super::Ipld::Bytes(vec![0xa1; 2_000_000])] {
            assert_eq!(decode(&encode(&large).unwrap()).unwrap(), large);
        }
        let layer = json!({ "digest": format!("sha256:{}", "0".repeat(64)), "mediaType": "a".repeat(50), "size": 1 });
        let layers = from_json(&json!({ "layers": vec![layer; 5_000] })).unwrap();
        assert!(decode(&encode(&layers).unwrap()).is_ok());
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let json = json!({
            "$type": "com.example.record",
            "bytes": {"$bytes": "AAH/"},
            "list": [1, -9_223_372_036_854_775_808_i64, null, true, "text"],
        });
        let value = from_json(&json).unwrap();
        assert_eq!(to_json(&decode(&encode(&value).unwrap()).unwrap()), json);
    }

    #[test]
    fn numbers_are_integers() {
        for good in ["1", "-1", "123.0", "1e3", "9223372036854775807"] {
            let json = serde_json::from_str(&format!(r#"{{"a":{good}}}"#)).unwrap();
            assert!(from_json(&json).is_ok(), "{good}");
        }
        for bad in ["1.5", "1e300", "9223372036854775808", "-9223372036854775809", "1e-5"] {
            let json = serde_json::from_str(&format!(r#"{{"a":{bad}}}"#)).unwrap();
            assert!(from_json(&json).is_err(), "{bad}");
        }
    }

    #[test]
    fn blobs_have_a_raw_cid() {
        let blob = |link: crate::repo::Cid| {
            from_json(&json!({"$type": "blob", "ref": {"$link": link.to_string()}, "mimeType": "a/b", "size": 1}))
        };
        assert!(blob(crate::repo::cid::raw(&crate::syntax::Digest::from_bytes([0; 32]))).is_ok());
        assert!(blob(crate::repo::cid::dag_cbor(b"")).is_err());
    }
}
