//! The index of the records: it is the same after an import, but for what no record says.

use atcr_hold::blobs;
use atcr_hold::crew::{Crew, Declared};
use atcr_hold::images;
use atcr_hold::images::{Image, Images, ImagesSettings, Push, PushedBlob, PushedLayer};
use atcr_hold::pds;
use atcr_hold::pds::{Pds, PdsError};
use atproto::lexicon::Permission;
use atproto::syntax::{Did, Digest};
use server::sqlite::Write;
use server::storage::StorageError;

use crate::support::did_server::plc;
use crate::support::hold::digest_of;
use crate::support::repo_home::file::{exported, import};
use crate::support::repo_home::{RepoHome, START_US, declared, member};

const LATER_US: u64 = START_US + 1_000_000;

/// A hold whose writer is `plc(2)`.
async fn home() -> (RepoHome, Images) {
    let home = RepoHome::new();
    let mut declared: Declared = declared(&home, &plc(1));
    declared.crew.insert(plc(2), member("mate", &[Permission::BlobWrite]));
    home.crew.reconcile(&declared, START_US).await.unwrap();
    let registry = books(home.pds.clone(), home.crew.clone()).await;
    (home, registry)
}

async fn books(pds: Pds, crew: Crew) -> Images {
    Images::open(pds, crew, ImagesSettings { posts: true, ..ImagesSettings::default() }, START_US).await.unwrap()
}

/// Makes these contents blobs, whatever their bytes.
async fn add_blobs(home: &RepoHome, contents: &'static [&'static str]) {
    let job = move |write: &Write<'_>| {
        contents.iter().try_for_each(|text| {
            blobs::tables::put_blob(write, &digest_of(text.as_bytes()), text.len() as u64, START_US)
        })
    };
    home.database.write::<_, StorageError, _>(job).await.unwrap();
}

/// The first is the config.
fn push(account: &Did, name: &str, contents: &[&str]) -> Push {
    let blob = |text: &&str| PushedBlob { digest: digest_of(text.as_bytes()), size_bytes: Some(text.len() as u64) };
    let layer = |text: &&str| PushedLayer { blob: blob(text), media_type: "application/octet-stream".into() };
    Push {
        image: Image { owner: account.clone(), name: name.parse().unwrap() },
        manifest: format!("at://{account}/io.atcr.manifest/{}", digest_of(contents.concat().as_bytes()).hex())
            .parse()
            .unwrap(),
        tag: None,
        config: Some(blob(&contents[0])),
        layers: contents[1..].iter().map(layer).collect(),
    }
}

/// What garbage collection and quotas ask: whether a manifest needs each blob, the manifests without config, and number and
/// size of the account's layers.
async fn answers(home: &RepoHome, digests: [Digest; 4]) -> (Vec<bool>, u64, (u64, u64)) {
    home.read(move |read| {
        let referenced =
            digests.iter().map(|digest| images::tables::is_referenced(read, digest)).collect::<Result<Vec<_>, _>>()?;
        let usage = blobs::account_usage(read, &plc(2))?;
        Ok((referenced, images::tables::manifests_without_config(read)?, (usage.layers, usage.layer_bytes)))
    })
    .await
}

#[tokio::test]
async fn an_import_makes_the_index_again_and_says_which_configs_it_lacks() {
    let contents = &["config", "one", "two", "nobody's"];
    let digests = contents.map(|text| digest_of(text.as_bytes()));
    let (old, registry) = home().await;
    add_blobs(&old, contents).await;
    assert_eq!(registry.push(push(&plc(2), "app", &contents[..3]), LATER_US).await.unwrap().layers_created, 2);
    registry.pull(&Image { owner: plc(2), name: "app".parse().unwrap() }, LATER_US).await.unwrap();
    registry.write_counts(LATER_US).await.unwrap();
    let totals = (2, 6);
    assert_eq!(answers(&old, digests).await, (vec![true, true, true, false], 0, totals));

    let (new, registry) = home().await;
    add_blobs(&new, contents).await;
    let import_us = LATER_US + 1_000_000;
    import(&new.pds, import_us, exported(&old.pds).await, None).await.unwrap();
    assert_eq!(answers(&new, digests).await, (vec![false, true, true, false], 1, totals), "no record names the config");
    let image = Image { owner: plc(2), name: "app".parse().unwrap() };
    assert!(registry.pull(&image, import_us + 1).await.unwrap(), "its statistics are known");
    assert_eq!(registry.write_counts(import_us + 2).await.unwrap(), 1);

    // Pushed again, all is known, and nothing is doubled.
    assert_eq!(registry.push(push(&plc(2), "app", &contents[..3]), import_us + 3).await.unwrap().layers_created, 0);
    assert_eq!(answers(&new, digests).await, (vec![true, true, true, false], 0, totals));
    registry.write_counts(import_us + 4).await.unwrap();
    let (_, stats) = new.records("io.atcr.hold.stats").await.pop_first().unwrap();
    assert_eq!((&stats["pullCount"], &stats["pushCount"]), (&2.into(), &2.into()));
}

#[tokio::test]
async fn an_index_that_was_never_made_is_made_at_start() {
    let contents = &["config", "one", "two", "nobody's"];
    let digests = contents.map(|text| digest_of(text.as_bytes()));
    let (home, registry) = home().await;
    add_blobs(&home, contents).await;
    registry.push(push(&plc(2), "app", &contents[..3]), LATER_US).await.unwrap();
    // As an older version left it, which had no index.
    let job = |write: &Write<'_>| {
        images::tables::clear_registry(write)?;
        pds::tables::put_meta(write, "registry_index", "")
    };
    home.database.write::<_, StorageError, _>(job).await.unwrap();
    books(home.pds.clone(), home.crew.clone()).await;
    let totals = (2, 6);
    assert_eq!(answers(&home, digests).await, (vec![false, true, true, false], 1, totals));
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_no_rows() {
    let (home, _) = home().await;
    let job = |repository: &atcr_hold::pds::Repository<'_>| {
        images::tables::put_stats(repository.transaction(), "key", "did:plc:alice", "app")?;
        Err::<(), _>(PdsError::RecordNotFound)
    };
    assert!(home.pds.transact(LATER_US, job).await.is_err());
    assert_eq!(home.read(|read| images::tables::new_counts(read, "key")).await, None);
}
