//! What a registry says of a manifest, and the record of one in somebody's repository.
#![no_main]

use std::collections::HashSet;

use atcr_hold::images::{OwnAddress, Push};
use atproto::lexicon::RecordView;
use atproto::syntax::{Did, ServiceUrl};
use libfuzzer_sys::fuzz_target;

fn check(push: &Push) {
    let digests: HashSet<_> = push.layers.iter().map(|layer| layer.blob.digest).collect();
    assert_eq!(digests.len(), push.layers.len(), "each layer once");
    assert!(push.layers.iter().all(|layer| !layer.media_type.is_empty() && layer.media_type.len() <= 128));
}

fuzz_target!(|input: &[u8]| {
    if let Ok(said) = serde_json::from_slice(input)
        && let Ok(push) = Push::of(said)
    {
        check(&push);
    }
    let url = ServiceUrl::parse("https://hold.example.org").expect("an address");
    let hold = OwnAddress { did: url.did(), url: &url, earlier: &[] };
    let account = Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").expect("a DID");
    let uri = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/io.atcr.manifest/a";
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(input)
        && let Ok(record) = serde_json::from_value::<RecordView>(serde_json::json!({ "uri": uri, "value": value }))
        && let Ok(Some(push)) = Push::of_record(hold, &account, &record)
    {
        assert_eq!(push.image.owner, account, "a record speaks for its own account alone");
        check(&push);
    }
});
