//! Declared members come, change and go; those who joined at run time stay, unless the crew is immutable.

use std::collections::BTreeMap;

use atcr_hold::crew::{CrewChange, CrewWrite, DeclaredMember, Manager, Terms, member_key};
use atproto::lexicon::{Permission, RequestCrew, Swap};
use atproto::syntax::Did;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::{FIRST, SECOND, START_US, Started, crew_path};
use crate::support::did_server::plc;
use crate::support::repo_home::{CREW, member};

fn reader() -> DeclaredMember {
    member("mate", &[Permission::BlobRead])
}

fn put(did: &Did, record: Value) -> CrewChange {
    let rkey = Some(member_key(did).to_string());
    CrewChange { collection: CREW.into(), rkey, write: CrewWrite::Put(record), swap: Swap::Any }
}

#[tokio::test]
async fn a_declared_member_comes_changes_and_goes() {
    let mut started = Started::new(|_| {}).await;
    assert_eq!(started.again(|declared| drop(declared.crew.insert(plc(2), reader()))).await, [[crew_path(&plc(2))]]);
    let expected = json!({
        "$type": CREW, "member": plc(2), "role": "mate", "permissions": ["blob:read"], "addedAt": SECOND,
    });
    assert_eq!(started.crew_record(&plc(2)).await.unwrap(), expected);
    let writer = DeclaredMember { tier: Some("bosun".into()), ..member("purser", &[Permission::BlobWrite]) };
    assert_eq!(started.again(|declared| drop(declared.crew.insert(plc(2), writer))).await, [[crew_path(&plc(2))]]);
    let record = started.crew_record(&plc(2)).await.unwrap();
    assert_eq!((&record["role"], &record["tier"]), (&json!("purser"), &json!("bosun")));
    assert_eq!((&record["permissions"], &record["addedAt"]), (&json!(["blob:write"]), &json!(SECOND)));
    assert_eq!(started.again(|declared| declared.crew.clear()).await, [[crew_path(&plc(2))]]);
    assert_eq!(started.crew_record(&plc(2)).await, None);
    assert!(started.again(|_| {}).await.is_empty());
}

#[tokio::test]
async fn a_changed_declaration_keeps_the_date_and_unknown_fields() {
    let mut started = Started::new(|declared| drop(declared.crew.insert(plc(2), reader()))).await;
    let mut record = started.crew_record(&plc(2)).await.unwrap();
    record["fromTheFuture"] = json!([1, { "kept": "yes" }]);
    // What is written at run time to a declared member holds until the next start.
    record["role"] = json!("stowaway");
    started.home.crew.apply(Manager::Captain, vec![put(&plc(2), record.clone())], None, START_US).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    assert_eq!(started.again(|_| {}).await, [[crew_path(&plc(2))]]);
    record["role"] = json!("mate");
    assert_eq!((&started.crew_record(&plc(2)).await.unwrap(), &record["addedAt"]), (&record, &json!(FIRST)));
}

#[tokio::test]
async fn who_joined_at_run_time_stays() {
    let mut started = Started::new(|declared| {
        declared.allow_all_crew = true;
        declared.crew.insert(plc(2), reader());
    })
    .await;
    let joined = started.home.crew.request(&plc(3), &RequestCrew::default(), START_US).await.unwrap();
    assert!(joined.created);
    started.consumer.catch_up(&started.home).await;
    let paths = started.again(|declared| declared.crew.clear()).await;
    assert_eq!(paths, [[crew_path(&plc(2))]], "only the declared one goes");
    assert!(started.crew_record(&plc(3)).await.is_some());
    // Declared once, such a member goes with the declaration like any other.
    assert_eq!(started.again(|declared| drop(declared.crew.insert(plc(3), reader()))).await, [[crew_path(&plc(3))]]);
    assert_eq!(started.crew_record(&plc(3)).await.unwrap()["addedAt"], FIRST);
    assert_eq!(started.again(|declared| declared.crew.clear()).await, [[crew_path(&plc(3))]]);
}

#[tokio::test]
async fn only_an_addition_that_is_made_lifts_a_ban() {
    let started = Started::new(|declared| declared.allow_all_crew = true).await;
    let crew = &started.home.crew;
    let terms = |role: &str, permissions: &[Permission]| Terms {
        role: role.into(),
        permissions: permissions.to_vec(),
        tier: None,
    };
    crew.ban(&plc(2), START_US).await.unwrap();
    for refused in [terms("owner", &Permission::ALL), terms("mate", &[])] {
        crew.add_member(&plc(2), refused, START_US).await.unwrap_err();
    }
    crew.set_mutable(false);
    crew.add_member(&plc(2), terms("mate", &Permission::ALL), START_US).await.unwrap_err();
    crew.set_mutable(true);
    assert_eq!(crew.bans().await.unwrap().len(), 1);
    crew.request(&plc(2), &RequestCrew::default(), START_US).await.unwrap_err();
    crew.add_member(&plc(2), terms("mate", &[Permission::BlobRead]), START_US).await.unwrap();
    assert!(crew.bans().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_immutable_crew_is_what_is_declared() {
    let mut started = Started::new(|declared| {
        declared.allow_all_crew = true;
        declared.crew.insert(plc(2), reader());
    })
    .await;
    started.home.crew.request(&plc(3), &RequestCrew::default(), START_US).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    started = started.with_mutable_crew(false);
    assert_eq!(started.again(|_| {}).await, [[crew_path(&plc(3))]]);
    let crew: Vec<_> = started.home.records(CREW).await.into_keys().collect();
    assert_eq!(crew, [plc(1).to_string(), plc(2).to_string()]);
}

#[tokio::test]
async fn a_member_removed_at_run_time_comes_back_while_declared() {
    let mut started = Started::new(|declared| drop(declared.crew.insert(plc(2), reader()))).await;
    let delete = CrewChange { write: CrewWrite::Delete, ..put(&plc(2), json!({})) };
    started.home.crew.apply(Manager::Captain, vec![delete], None, START_US).await.unwrap();
    started.consumer.catch_up(&started.home).await;
    assert_eq!(started.again(|_| {}).await, [[crew_path(&plc(2))]]);
    assert_eq!(started.crew_record(&plc(2)).await.unwrap()["addedAt"], SECOND);
}

#[tokio::test]
async fn a_did_that_is_no_record_key_has_a_record_all_the_same() {
    let port = Did::parse("did:web:localhost%3A8081").unwrap();
    let mut started = Started::new(|declared| drop(declared.crew.insert(port.clone(), reader()))).await;
    let key = member_key(&port);
    // base32 of SHA-256, fixed for ever: other programs find the record under it.
    assert_eq!(key.as_str(), "kjndxkbctnykh7vfj76i236ltjkszslluxl5yolgsvmnz6lg2xqa");
    assert_eq!(started.home.records(CREW).await[key.as_str()]["member"], port.as_str());
    assert!(started.home.crew.membership(&port).await.unwrap().may(Permission::BlobRead));
    assert!(started.again(|_| {}).await.is_empty());
    assert_eq!(started.again(|declared| declared.crew.clear()).await, [[crew_path(&port)]]);
}

/// `count` readers, from `plc(first)` on.
fn many(first: u32, count: u32) -> BTreeMap<Did, DeclaredMember> {
    (first..first + count).map(|number| (plc(number), reader())).collect()
}

fn dids(crew: &BTreeMap<Did, DeclaredMember>) -> Vec<String> {
    let mut dids: Vec<_> = crew.keys().map(ToString::to_string).chain([plc(1).to_string()]).collect();
    dids.sort();
    dids
}

#[tokio::test]
async fn more_members_than_one_commit_takes_are_several_commits() {
    let mut started = Started::new(|declared| declared.crew = many(100, 450)).await;
    // 450 members, the owner, captain and profile; and the empty commit before.
    assert_eq!(started.consumer.commits, 4);
    assert_eq!(started.home.records(CREW).await.into_keys().collect::<Vec<_>>(), dids(&many(100, 450)));
    assert_eq!(started.home.records(CREW).await.len(), 451);
    // 300 go and 300 others come at once.
    let crew = many(400, 450);
    let paths = started.again(|declared| declared.crew = crew.clone()).await;
    assert_eq!(paths.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 200]);
    assert_eq!(started.home.records(CREW).await.into_keys().collect::<Vec<_>>(), dids(&crew));
    let paths = started.again(|declared| declared.crew.clear()).await;
    assert_eq!(paths.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 50]);
    assert_eq!(started.home.records(CREW).await.len(), 1);
    assert!(started.again(|_| {}).await.is_empty());
}

#[tokio::test]
async fn exactly_two_hundred_changes_are_one_commit_and_nobody_is_forgotten() {
    let mut started = Started::new(|declared| declared.crew = many(100, 200)).await;
    let paths = started.again(|declared| declared.crew.clear()).await;
    assert_eq!(paths.iter().map(Vec::len).collect::<Vec<_>>(), [200]);
    assert_eq!(started.home.records(CREW).await.len(), 1);
}

#[tokio::test]
async fn a_start_that_was_interrupted_is_finished_by_the_next() {
    let mut started = Started::new(|declared| declared.crew = many(100, 300)).await;
    started.declared.crew = many(350, 300);
    // Looked at once: the first of several commits is on its way, and nobody waits for it.
    let interrupted = started.home.crew.reconcile(&started.declared, START_US).now_or_never();
    assert!(interrupted.is_none());
    started = started.with_mutable_crew(true);
    started.consumer.catch_up(&started.home).await;
    assert_eq!(started.consumer.commits, 4, "one more than the first start made");
    started.again(|_| {}).await;
    assert_eq!(started.home.records(CREW).await.into_keys().collect::<Vec<_>>(), dids(&many(350, 300)));
}
