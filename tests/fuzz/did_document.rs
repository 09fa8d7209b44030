//! DID documents of others: what is taken of them is short, and of the account that was asked for.
#![no_main]

use atproto::syntax::Did;
use libfuzzer_sys::fuzz_target;
use server::identity::Account;

const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

fuzz_target!(|document: &[u8]| {
    let did = Did::parse(DID).expect("a DID");
    let Ok(account) = Account::from_document(&did, document) else { return };
    assert_eq!(account.did, did);
    if let Some(pds) = &account.pds {
        assert!(pds.len() <= 300 && pds.starts_with("http"), "{pds}");
        assert!(!pds.contains(['\r', '\n', ' ', '@']), "{pds}");
    }
    assert!(!account.has_signed("ES256K", b"", &[0; 64]));
});
