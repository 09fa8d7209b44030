//! Service tokens: what is taken has the one form that there is.
//!
//! The input's first byte chooses. Even: the rest is a token. Odd: the rest is header and claims in JSON, parted by a
//! line end, which become a token with a signature of zeros.
#![no_main]

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzz_target;
use server::tokens::service_token::ServiceToken;

fn check(token: &str) {
    let Ok(read) = ServiceToken::parse(token) else { return };
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    for part in parts {
        let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).expect("Base64 without padding");
        assert_eq!(BASE64URL_NOPAD.encode(&bytes), part, "each part has one form");
    }
    assert!(!read.claims.issuer.as_str().contains('#'));
}

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => {
            if let Ok(token) = std::str::from_utf8(rest) {
                check(token);
            }
        }
        Some((_, rest)) => {
            let mut parts = rest.splitn(2, |byte| *byte == b'\n').map(|part| BASE64URL_NOPAD.encode(part));
            let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            check(&format!("{header}.{claims}.{}", BASE64URL_NOPAD.encode(&[1; 64])));
        }
        None => {}
    }
});
