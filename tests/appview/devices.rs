//! Programs that wait to become devices: how many of one network may.

use std::net::IpAddr;

use atcr_appview::devices::{Devices, DevicesError};
use atcr_appview::schema;
use tempfile::TempDir;

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

#[tokio::test]
async fn who_has_a_network_of_ipv6_leaves_room_for_others() {
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    let devices = Devices::new(database, || 1_800_000_000_000_000, random);
    let asked = |address: String| devices.ask("laptop", Some(address.parse::<IpAddr>().unwrap()));
    let mut waiting = 0;
    for number in 1..=40 {
        match asked(format!("2001:db8::1:{number:x}:0:{number:x}")).await {
            Ok(_) => waiting += 1,
            Err(error) => assert!(matches!(error, DevicesError::TooManyRequests), "{error}"),
        }
    }
    assert_eq!(waiting, 20, "all of these are one customer's");
    for other in ["2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.2"] {
        assert!(asked(other.into()).await.is_ok(), "{other}");
    }
}
