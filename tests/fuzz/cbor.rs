//! The strict decoder: what it accepts is byte for byte what it would write, also by way of JSON.
#![no_main]

use atproto::repo::cbor::{self, Ipld};
use atproto::repo::commit::Commit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(commit) = Commit::decode(bytes) {
        assert!(cbor::decode(bytes).is_ok(), "a commit is data");
        assert_eq!(commit.sig.len(), 64);
    }
    let Ok(value) = cbor::decode(bytes) else { return };
    assert_eq!(cbor::encode(&value).expect("what was read can be written"), bytes);
    // Records come as JSON and are shown as JSON. Not every value has such a form: "$link" and the like are taken.
    if matches!(value, Ipld::Map(_))
        && let Ok(again) = cbor::from_json(&cbor::to_json(&value))
    {
        assert!(cbor::encode(&again).is_ok());
    }
});
