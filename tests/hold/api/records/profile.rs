//! app.bsky.actor.*: how the hold shows itself.

use serde_json::{Value, json};

use super::public_hold::PublicHold;
use super::{PROFILE, query_did, value_of};
use crate::support::did_server::plc;
use crate::support::hold::{Hold, PRIVATE};

const ONE: &str = "/xrpc/app.bsky.actor.getProfile";
const SEVERAL: &str = "/xrpc/app.bsky.actor.getProfiles";

/// The view of a profile record.
fn view(did: &str, handle: &str, record: &Value) -> Value {
    json!({
        "did": did, "handle": handle, "displayName": record["displayName"], "description": record["description"],
        "createdAt": record["createdAt"],
    })
}

#[tokio::test]
async fn the_profile_is_the_record_with_did_and_handle() {
    let hold = Hold::start(PRIVATE).await;
    let record = value_of(&hold, PROFILE, "self").await;
    let expected = view(&hold.did(), "handle.invalid", &record);
    assert_eq!(expected["displayName"], format!("localhost:{}", hold.port));
    assert!(expected["description"].is_string() && expected["createdAt"].is_string(), "{expected}");
    assert_eq!(hold.get(&format!("{ONE}?actor={}", query_did(&hold))).send().await.ok(), expected);
}

#[tokio::test]
async fn a_public_hold_is_found_by_its_handle_too() {
    let hold = PublicHold::start().await;
    let target = "/xrpc/com.atproto.repo.getRecord?repo=hold.example.org&collection=app.bsky.actor.profile&rkey=self";
    let record = hold.get(target).await.ok();
    let expected = view("did:web:hold.example.org", "hold.example.org", &record["value"]);
    for actor in ["did:web:hold.example.org", "hold.example.org", "Hold.Example.org"] {
        assert_eq!(hold.get(&format!("{ONE}?actor={actor}")).await.ok(), expected);
        let several = hold.get(&format!("{SEVERAL}?actors=other.example&actors={actor}")).await.ok();
        assert_eq!(several, json!({ "profiles": [expected] }));
    }
    hold.stop().await;
}

#[tokio::test]
async fn other_accounts_have_no_profile_here() {
    let hold = Hold::start(PRIVATE).await;
    for actor in [hold.captain.did.as_str(), plc(50).as_str(), "handle.invalid", "hold.example.org"] {
        let one = hold.get(&format!("{ONE}?actor={actor}")).send().await;
        one.assert_refused(400, "InvalidRequest", "Profile not found");
        let several = hold.get(&format!("{SEVERAL}?actors={actor}")).send().await;
        assert_eq!(several.ok(), json!({ "profiles": [] }));
    }
}

#[tokio::test]
async fn actors_are_checked() {
    let hold = Hold::start(PRIVATE).await;
    let did = query_did(&hold);
    for bad in ["", "?actor=", "?actor=x", "?actor=did:web", &format!("?actor={did}&actor={did}")] {
        hold.get(&format!("{ONE}{bad}")).send().await.assert_error(400, "InvalidRequest");
    }
    let times = |count: usize| format!("{SEVERAL}?{}", vec![format!("actors={did}"); count].join("&"));
    let profiles = hold.get(&times(25)).send().await.ok();
    assert_eq!(profiles["profiles"].as_array().unwrap().len(), 1, "an account has one profile");
    for bad in [times(0), times(26), format!("{SEVERAL}?actors="), format!("{SEVERAL}?actors={did}&actors=x")] {
        hold.get(&bad).send().await.assert_error(400, "InvalidRequest");
    }
}
