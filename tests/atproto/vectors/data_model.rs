//! Vectors of records: JSON, its DAG-CBOR and its CID.

use atproto::repo::{cbor, cid};

use super::{base64, json, text};

#[test]
fn json_and_cbor_are_two_forms_of_one_value() {
    for item in json("data-model/data-model-fixtures.json") {
        let bytes = base64(&item, "cbor_base64");
        let value = cbor::from_json(&item["json"]).unwrap();
        assert_eq!(cbor::encode(&value).unwrap(), bytes, "{item}");
        assert_eq!(cbor::decode(&bytes).unwrap(), value, "{item}");
        assert_eq!(cbor::to_json(&value), item["json"]);
        assert_eq!(cid::dag_cbor(&bytes), cid::parse(text(&item, "cid")).unwrap(), "{item}");
    }
}

#[test]
fn valid_records() {
    for item in json("data-model/data-model-valid.json") {
        let value = cbor::from_json(&item["json"]);
        assert!(value.and_then(|value| cbor::decode(&cbor::encode(&value)?)).is_ok(), "{item}");
    }
}

#[test]
fn invalid_records() {
    for item in json("data-model/data-model-invalid.json") {
        assert!(cbor::from_json(&item["json"]).is_err(), "{item}");
    }
}
