//! The repository of a hold whose DID is not made by its address.

use atcr_hold::images::{OwnAddress, Push};
use atcr_hold::pds::Pds;
use atproto::lexicon::RecordView;
use atproto::syntax::{Did, ServiceUrl};
use serde_json::{Value, json};

use crate::support::did_server::key;
use crate::support::repo_home::{RepoHome, declared};

const DID: &str = "did:plc:z72i7hdynmk6r22z27h6tvur";
const NOW_US: u64 = 1_800_000_000_000_000;

#[tokio::test]
async fn an_identity_is_announced_once_also_over_restarts_and_not_before_the_first_commit() {
    let home = RepoHome::new();
    assert!(!home.pds.announce_identity(NOW_US).await.unwrap());
    assert!(home.events_after(0).await.is_empty());
    let owner = Did::parse("did:web:alice.example").unwrap();
    home.crew.reconcile(&declared(&home, &owner), NOW_US).await.unwrap();
    let head = home.head().await;
    assert!(home.pds.announce_identity(NOW_US).await.unwrap());
    assert!(!home.pds.announce_identity(NOW_US).await.unwrap());
    let home = home.reopen(true);
    assert!(!home.pds.announce_identity(NOW_US).await.unwrap());
    let events = home.events_after(head.last_seq).await;
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["#identity"]);
    assert_eq!(home.head().await.commit, head.commit);

    let moved = ServiceUrl::parse("https://other.example.org").unwrap();
    for (url, number) in [(home.pds.url(), 78), (&moved, 77)] {
        let other = Pds::new(home.database.clone(), home.pds.did(), url, key(number), 1);
        let announced =
            [other.announce_identity(NOW_US).await.unwrap(), other.announce_identity(NOW_US).await.unwrap()];
        assert_eq!(announced, [true, false], "{url}");
    }
    // Back under the first address, and away again.
    for url in [home.pds.url(), &moved] {
        assert!(
            Pds::new(home.database.clone(), home.pds.did(), url, key(77), 1).announce_identity(NOW_US).await.unwrap()
        );
    }
    assert_eq!(home.pds.earlier_addresses().await.unwrap(), [home.pds.url().clone(), moved]);
}

#[test]
fn manifests_are_in_it_by_its_did_and_by_its_address() {
    let (did, url) = (Did::parse(DID).unwrap(), ServiceUrl::parse("https://hold.example.org").unwrap());
    let earlier = [ServiceUrl::parse("https://earlier.example.org").unwrap(), url.clone()];
    let hold = OwnAddress { did: &did, url: &url, earlier: &earlier };
    let account = Did::parse("did:web:alice.example").unwrap();
    let view = |names: &Value| {
        let digest = format!("sha256:{}", "0".repeat(64));
        let mut value = json!({ "repository": "app", "digest": digest, "layers": [] });
        value.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
        let uri = "at://did:web:alice.example/io.atcr.manifest/0";
        serde_json::from_value::<RecordView>(json!({ "uri": uri, "cid": "x", "value": value })).unwrap()
    };
    let is_in = |names: &Value| Push::of_record(hold, &account, &view(names)).unwrap().is_some();
    for names in [
        json!({ "holdDid": DID }),
        json!({ "holdDid": "did:web:hold.example.org" }),
        json!({ "holdEndpoint": "https://hold.example.org" }),
        json!({ "holdDid": "", "holdEndpoint": DID }),
    ] {
        assert!(is_in(&names) && !hold.is_named_by_earlier_address(&view(&names)), "{names}");
    }
    for names in [
        json!({}),
        json!({ "holdDid": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "holdEndpoint": "https://hold.example.org" }),
        json!({ "holdDid": "did:web:other.example.org" }),
        json!({ "holdEndpoint": "https://other.example.org" }),
        json!({ "holdEndpoint": "no address" }),
    ] {
        assert!(!is_in(&names) && !hold.is_named_by_earlier_address(&view(&names)), "{names}");
    }
    for names in
        [json!({ "holdDid": "did:web:earlier.example.org" }), json!({ "holdEndpoint": "https://earlier.example.org" })]
    {
        assert!(!is_in(&names) && hold.is_named_by_earlier_address(&view(&names)), "{names}");
    }
}
