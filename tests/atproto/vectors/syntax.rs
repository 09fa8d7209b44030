//! Vectors of identifiers: what must be accepted and what must be refused.

use atproto::syntax::{AtUri, CidText, Datetime, Did, Handle, Nsid, RecordKey, Tid};

use super::lines;

/// Every line of the file is accepted, or every line is refused; all that differ are named.
fn check(path: &str, expected: bool, accepts: impl Fn(&str) -> bool) {
    let wrong: Vec<_> = lines(path).into_iter().filter(|line| accepts(line) != expected).collect();
    assert!(wrong.is_empty(), "{path}: expected {expected}, but not so for {wrong:#?}");
}

macro_rules! vectors {
    ($($test:ident: $name:literal, $accepts:expr;)*) => {$(
        #[test]
        fn $test() {
            check(concat!("syntax/", $name, "_syntax_valid.txt"), true, $accepts);
            check(concat!("syntax/", $name, "_syntax_invalid.txt"), false, $accepts);
        }
    )*};
}

vectors! {
    dids: "did", |text| Did::parse(text).is_ok();
    handles: "handle", |text| Handle::parse(text).is_ok();
    at_identifiers: "atidentifier", |text| Did::parse(text).is_ok() || Handle::parse(text).is_ok();
    nsids: "nsid", |text| Nsid::parse(text).is_ok();
    record_keys: "recordkey", |text| RecordKey::parse(text).is_ok();
    tids: "tid", |text| Tid::parse(text).is_ok();
    at_uris: "aturi", |text| AtUri::parse(text).is_ok();
    cids: "cid", |text| CidText::parse(text).is_ok();
    datetimes: "datetime", |text| Datetime::parse(text).is_ok();
}

#[test]
fn datetimes_that_are_no_point_in_time() {
    check("syntax/datetime_parse_invalid.txt", false, |text| Datetime::parse(text).is_ok());
}
