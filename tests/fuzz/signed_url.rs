//! Queries of signed URLs: none is good but those that were made, whatever is changed in them.
#![no_main]

use atcr_hold::gate::{ReadMethod, SignedUrlError, UrlSigner};
use atproto::syntax::Digest;
use libfuzzer_sys::fuzz_target;
use server::xrpc::Query;

const NOW_S: i64 = 1_800_000_000;
const UPLOAD: &str = "0123456789abcdef0123456789abcdef";

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "ab".repeat(32))).expect("a digest")
}

fuzz_target!(|input: &str| {
    let signer = UrlSigner::new([7; 32].into());
    let Ok(uri) = format!("/?{input}").parse::<http::Uri>() else { return };
    let (head, ()) = http::Request::get(uri).body(()).expect("a request").into_parts();
    let query = Query::of(&head);
    let get = |name: &str| query.get(name).ok().flatten();
    match signer.check_part(get, NOW_S) {
        Ok(part) => {
            assert_eq!((part.upload_id.as_str(), part.part_number.as_str()), (UPLOAD, "1"), "{input}");
        }
        Err(SignedUrlError::Expired) => panic!("no expired one was made: {input}"),
        Err(SignedUrlError::Invalid) => {}
    }
    let made = signer.read_query(&digest(), 4096, ReadMethod::Get, NOW_S);
    if signer.check_read(&digest(), ReadMethod::Get, get, NOW_S).is_ok() {
        let expires = made.split('&').find(|pair| pair.starts_with("expires=")).expect("a time");
        assert_eq!(get("expires").map(|value| format!("expires={value}")).as_deref(), Some(expires), "{input}");
    }
    assert!(signer.check_read(&digest(), ReadMethod::Head, get, NOW_S).is_err(), "a GET is no HEAD: {input}");
});
