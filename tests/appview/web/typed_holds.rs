//! A hold that is typed by its host in the settings.

use serde_json::json;

use super::person::{Person, form_token};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::{document, plc};
use crate::support::http::Answer;

const PUT: &str = "/xrpc/com.atproto.repo.putRecord";
const DESCRIBE: &str = "/xrpc/com.atproto.server.describeServer?";

/// A registry whose network has holds by did:web and did:plc at one host.
async fn with_holds() -> (Registry, String) {
    let registry = Registry::start([("UNRELATED", "1")]).await;
    registry.has_oauth();
    let did = registry.alice.as_str().replace(':', "%3A");
    let profile = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self");
    let uri = format!("at://{}/io.atcr.sailor.profile/self", registry.alice);
    registry.says(&profile, &json!({ "uri": uri, "cid": "bafy", "value": {} }));
    registry.says(PUT, &json!({ "uri": uri, "cid": "bafz" }));
    let port = registry.network.port;
    for hold in [format!("did:web:localhost%3A{port}"), plc(7).to_string(), plc(8).to_string()] {
        let repo = hold.replace('%', "%25").replace(':', "%3A");
        let path = format!("/xrpc/com.atproto.repo.getRecord?repo={repo}&collection=io.atcr.hold.captain&rkey=self");
        let captain = json!({
            "owner": registry.alice, "public": true, "allowAllCrew": true, "deployedAt": "2026-01-01T00:00:00Z",
        });
        registry.says(&path, &json!({ "uri": format!("at://{hold}/io.atcr.hold.captain/self"), "value": captain }));
    }
    for (number, endpoint) in [(7, format!("http://localhost:{port}")), (8, "https://hold.example.org".into())] {
        let mut published = document(&plc(number.into()), number);
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint }]);
        registry.network.publish(&plc(number.into()), &published);
    }
    let url = format!("http://localhost:{port}");
    (registry, url)
}

async fn choose(person: &mut Person<'_>, other: &str) -> Answer {
    let token = form_token(&person.open("/settings").await);
    person.send("/settings/hold", &[("token", token.as_str()), ("hold", "other"), ("other", other)]).await
}

#[tokio::test]
async fn a_hold_by_did_plc_is_found_by_its_host() {
    let (registry, url) = with_holds().await;
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let web = format!("did:web:localhost%3A{}", registry.network.port);
    for (described, expected) in [
        (None, web.clone()),
        (Some(json!({ "did": web })), web.clone()),
        (Some(json!({ "did": "did:web:other.example" })), web.clone()),
        (Some(json!({ "did": 7 })), web),
        (Some(json!({ "did": plc(7), "availableUserDomains": [] })), plc(7).to_string()),
    ] {
        if let Some(described) = &described {
            registry.says(DESCRIBE, described);
        }
        let answer = choose(&mut person, &url).await;
        assert_eq!(answer.status, 200, "{described:?}: {}", answer.text());
        let written: serde_json::Value = serde_json::from_slice(&registry.network.last_body(PUT)).unwrap();
        assert_eq!(written["record"]["defaultHold"], expected, "{described:?}");
    }
}

#[tokio::test]
async fn a_host_is_not_believed_to_be_a_did_plc_whose_document_does_not_name_it() {
    let (registry, url) = with_holds().await;
    let mut person = Person::of(&registry);
    person.sign_in().await;
    for (claimed, said) in [(plc(8), "names another server"), (plc(9), "cannot be chosen")] {
        registry.says(DESCRIBE, &json!({ "did": claimed }));
        let answer = choose(&mut person, &url).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(said) && answer.text().contains(claimed.as_str()), "{}", answer.text());
    }
    assert_eq!(registry.network.requests_of(PUT), 0);
    // Typed by its DID, it is asked at its own server.
    let answer = choose(&mut person, plc(7).as_str()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
