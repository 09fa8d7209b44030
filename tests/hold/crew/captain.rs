//! The captain record, the owner's membership and the profile.

use serde_json::json;

use super::{FIRST, SECOND, Started, crew_path};
use crate::support::did_server::plc;
use crate::support::repo_home::{CAPTAIN, CREW, PROFILE, RepoHome, START_US, declared, member};
use atcr_hold::crew::{CrewChange, CrewError, CrewWrite, Manager};
use atproto::lexicon::{Permission, Swap};
use atproto::syntax::{HoldId, ServiceUrl};

const CAPTAIN_PATH: &str = "io.atcr.hold.captain/self";

#[tokio::test]
async fn the_first_start_makes_captain_owner_and_profile() {
    let started = Started::new(|declared| declared.region = Some("eu".into())).await;
    let home = &started.home;
    assert_eq!(started.consumer.commits, 2, "the empty one, and one with everything");
    let captain = json!({
        "$type": CAPTAIN, "owner": plc(1), "public": false, "allowAllCrew": false, "enableBlueskyPosts": false,
        "deployedAt": FIRST, "region": "eu",
    });
    assert_eq!(home.records(CAPTAIN).await["self"], captain);
    let owner = json!({
        "$type": CREW, "member": plc(1), "role": "owner", "permissions": ["blob:read", "blob:write", "crew:admin"],
        "addedAt": FIRST,
    });
    assert_eq!(home.records(CREW).await, [(plc(1).to_string(), owner)].into());
    let profile = &home.records(PROFILE).await["self"];
    assert_eq!((&profile["$type"], &profile["displayName"]), (&json!(PROFILE), &json!("hold.example.org")));
    let membership = home.crew.membership(&plc(1)).await.unwrap();
    assert!(membership.captain && membership.member);
    assert_eq!(home.pds.collections().await.unwrap(), [PROFILE, CAPTAIN, CREW]);
}

#[tokio::test]
async fn a_restart_without_a_change_makes_no_commit() {
    let mut started = Started::new(|declared| {
        declared.crew.insert(plc(2), member("mate", &[Permission::BlobRead]));
    })
    .await;
    let head = started.home.head().await;
    assert!(started.again(|_| {}).await.is_empty());
    started = started.with_mutable_crew(true);
    assert!(started.again(|_| {}).await.is_empty());
    assert_eq!(started.home.head().await, head);
}

#[tokio::test]
async fn changed_settings_are_one_commit_of_the_captain_record() {
    let mut started = Started::new(|_| {}).await;
    let paths = started
        .again(|declared| (declared.public, declared.allow_all_crew, declared.region) = (true, true, Some("us".into())))
        .await;
    assert_eq!(paths, [[CAPTAIN_PATH]]);
    let captain = started.home.records(CAPTAIN).await.remove("self").unwrap();
    assert_eq!((&captain["public"], &captain["allowAllCrew"]), (&json!(true), &json!(true)));
    assert_eq!((&captain["region"], &captain["deployedAt"]), (&json!("us"), &json!(FIRST)));
    assert!(started.home.crew.is_public().await.unwrap());
    assert_eq!(started.again(|declared| declared.region = None).await, [[CAPTAIN_PATH]]);
    assert!(started.home.records(CAPTAIN).await["self"].get("region").is_none());
}

#[tokio::test]
async fn the_successor_follows_the_configuration() {
    let mut started = Started::new(|_| {}).await;
    assert_eq!(started.home.crew.successor().await.unwrap(), None);
    let next = ServiceUrl::parse("https://next.example.org").unwrap();
    let declared_next = next.did().clone();
    assert_eq!(started.again(move |declared| declared.successor = Some(declared_next)).await, [[CAPTAIN_PATH]]);
    assert_eq!(started.home.records(CAPTAIN).await["self"]["successor"], json!(next.did()));
    assert_eq!(started.home.crew.successor().await.unwrap(), Some(HoldId::Web(next)));
    assert_eq!(started.again(|declared| declared.successor = None).await, [[CAPTAIN_PATH]]);
    assert!(started.home.records(CAPTAIN).await["self"].get("successor").is_none());
}

#[tokio::test]
async fn a_new_owner_takes_the_place_of_the_former_one() {
    let mut started = Started::new(|_| {}).await;
    let paths = started.again(|declared| declared.owner = plc(2)).await;
    assert_eq!(paths.len(), 1, "one commit");
    let mut expected = [CAPTAIN_PATH.to_owned(), crew_path(&plc(1)), crew_path(&plc(2))];
    let mut paths = paths.concat();
    expected.sort();
    paths.sort();
    assert_eq!(paths, expected);
    assert_eq!(started.crew_record(&plc(1)).await, None);
    let owner = started.crew_record(&plc(2)).await.unwrap();
    assert_eq!((&owner["role"], &owner["addedAt"]), (&json!("owner"), &json!(SECOND)));
    let membership = started.home.crew.membership(&plc(1)).await.unwrap();
    assert!(!membership.is_known() && !membership.may(Permission::BlobRead));
}

#[tokio::test]
async fn a_former_owner_who_is_declared_becomes_an_ordinary_member() {
    let mut started = Started::new(|_| {}).await;
    started
        .again(|declared| {
            declared.owner = plc(2);
            declared.crew.insert(plc(1), member("mate", &[Permission::BlobRead]));
        })
        .await;
    let former = started.crew_record(&plc(1)).await.unwrap();
    let expected = json!({
        "$type": CREW, "member": plc(1), "role": "mate", "permissions": ["blob:read"], "addedAt": FIRST,
    });
    assert_eq!(former, expected);
    assert!(!started.home.crew.membership(&plc(1)).await.unwrap().may(Permission::BlobWrite));
}

#[tokio::test]
async fn what_the_captain_wrote_into_the_record_stays() {
    let mut started = Started::new(|_| {}).await;
    let mut captain = started.home.records(CAPTAIN).await.remove("self").unwrap();
    captain["enableBlueskyPosts"] = json!(true);
    captain["fromTheFuture"] = json!({ "kept": true });
    let write = CrewWrite::Put(captain.clone());
    let change = CrewChange { collection: CAPTAIN.into(), rkey: Some("self".into()), write, swap: Swap::Any };
    started.home.crew.apply(Manager::Captain, vec![change], None, START_US).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    assert!(started.again(|_| {}).await.is_empty(), "it does not differ from the configuration");
    started.again(|declared| declared.public = true).await;
    captain["public"] = json!(true);
    assert_eq!(started.home.records(CAPTAIN).await["self"], captain);
}

#[tokio::test]
async fn a_profile_that_was_changed_or_removed_is_respected_or_made_again() {
    use crate::support::repo_home::change;
    use atcr_hold::pds::RecordWrite;
    use atproto::repo::cbor;

    let mut started = Started::new(|_| {}).await;
    let path = format!("{PROFILE}/self");
    let own = json!({ "$type": PROFILE, "displayName": "The old lady" });
    let write = RecordWrite::Put(cbor::from_json(&own).unwrap());
    started.home.commit(START_US, vec![change(&path, write)]).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    assert!(started.again(|_| {}).await.is_empty());
    started.home.commit(START_US, vec![change(&path, RecordWrite::Delete)]).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    assert_eq!(started.again(|_| {}).await, [[path]]);
}

#[tokio::test]
async fn before_the_first_start_there_is_no_captain() {
    let home = RepoHome::new();
    assert!(matches!(home.crew.membership(&plc(1)).await, Err(CrewError::NoCaptain)));
    assert!(matches!(home.crew.is_public().await, Err(CrewError::NoCaptain)));
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    assert!(!home.crew.is_public().await.unwrap());
}
