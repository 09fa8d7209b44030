//! Accounts whose DIDs were chosen so that their records stand side by side in one node of the repository's tree.

use atcr_hold::crew::{CrewChange, CrewError, CrewWrite, Manager};
use atcr_hold::pds::PdsError;
use atproto::lexicon::{RequestCrew, Swap};
use atproto::repo::mst;
use atproto::syntax::Did;
use serde_json::json;

use super::{START_US, Started};
use crate::support::did_server::plc;
use crate::support::repo_home::CREW;

/// did:plcs whose records are of this height in the tree.
fn accounts(height: u32) -> impl Iterator<Item = Did> {
    (1_000..).map(plc).filter(move |did| mst::height(&format!("{CREW}/{did}")) == height)
}

fn create(did: &Did) -> CrewChange {
    let record =
        json!({ "member": did, "role": "member", "permissions": ["blob:read"], "addedAt": "2026-01-01T00:00:00Z" });
    CrewChange { collection: CREW.into(), rkey: None, write: CrewWrite::Create(record), swap: Swap::Any }
}

#[tokio::test]
async fn beside_too_many_members_only_the_captain_adds_one() {
    let started = Started::new(|declared| declared.allow_all_crew = true).await;
    let crew = &started.home.crew;
    let mut chosen = accounts(0);
    let many: Vec<_> = chosen.by_ref().take(2060).collect();
    for some in many.chunks(200) {
        crew.apply(Manager::Captain, some.iter().map(create).collect(), None, START_US).await.unwrap();
    }
    let [one, other, third] = [(); 3].map(|()| chosen.next().unwrap());
    let crowded = |error| matches!(error, CrewError::Pds(PdsError::CrowdedNode));
    assert!(crowded(crew.request(&one, &RequestCrew::default(), START_US).await.unwrap_err()));
    let by_admin = crew.apply(Manager::Admin(plc(9)), vec![create(&one)], None, START_US).await;
    assert!(crowded(by_admin.unwrap_err()));
    crew.apply(Manager::Captain, vec![create(&one)], None, START_US).await.unwrap();
    // A stranger whose place is above parts the node, and others are let in again.
    let above = accounts(2).find(|did| *did > many[700] && *did < many[1400]).unwrap();
    crew.request(&above, &RequestCrew::default(), START_US).await.unwrap();
    crew.request(&other, &RequestCrew::default(), START_US).await.unwrap();
    crew.apply(Manager::Admin(plc(9)), vec![create(&third)], None, START_US).await.unwrap();
}
