//! What one account may have recorded: images, records, and images side by side in the repository's tree.

use atcr_hold::crew::Manager;
use atcr_hold::images::{
    GrowthLimits, Image, Images, ImagesError, ImagesSettings, NewStats, Push, PushedBlob, PushedLayer, stats_key,
};
use atcr_hold::pds::{GrowthBound, PdsError, PdsLimits};
use atcr_hold::{blobs, images};
use atproto::lexicon::Permission;
use atproto::repo::mst;
use atproto::syntax::{Did, Digest};
use server::sqlite::Write;
use server::storage::StorageError;

use super::STATS;
use crate::support::did_server::plc;
use crate::support::hold::digest_of;
use crate::support::repo_home::{RepoHome, START_US, declared, member};

const NO_GROWTH_BOUND: GrowthLimits = GrowthLimits { images: 0, records: 0, config_bytes: 0 };

/// Two accounts that may push, `plc(2)` and `plc(3)`.
async fn home(growth: GrowthLimits) -> (RepoHome, Images) {
    let home = RepoHome::new();
    let mut declared = declared(&home, &plc(1));
    for number in [2, 3] {
        declared.crew.insert(plc(number), member("mate", &[Permission::BlobWrite]));
    }
    home.crew.reconcile(&declared, START_US).await.unwrap();
    let settings = ImagesSettings { growth, ..ImagesSettings::default() };
    let images = Images::open(home.pds.clone(), home.crew.clone(), settings, START_US).await.unwrap();
    (home, images)
}

fn image(owner: &Did, name: &str) -> Image {
    Image { owner: owner.clone(), name: name.parse().unwrap() }
}

/// A push of a list of manifests, so that it needs no blobs.
fn list(owner: &Did, name: &str) -> Push {
    let manifest = format!("at://{owner}/io.atcr.manifest/{}", digest_of(name.as_bytes()).hex()).parse().unwrap();
    Push { image: image(owner, name), manifest, tag: None, config: None, layers: Vec::new() }
}

/// Names of images of `owner` whose keys are of this height in the tree.
fn names(owner: &Did, height: u32) -> impl Iterator<Item = String> {
    let is_of_height =
        move |name: &String| mst::height(&format!("{STATS}/{}", stats_key(&image(owner, name)))) == height;
    (0..).map(|number| format!("app{number}")).filter(is_of_height)
}

#[tokio::test]
async fn names_that_are_chosen_to_stand_in_one_node_are_refused_to_their_account_alone() {
    let (home, images) = home(NO_GROWTH_BOUND).await;
    let (hostile, honest) = (plc(2), plc(3));
    let mut chosen = names(&hostile, 0);
    for name in chosen.by_ref().take(128) {
        images.push(list(&hostile, &name), START_US).await.unwrap();
    }
    let next = chosen.next().unwrap();
    let head = home.head().await;
    let refused = images.push(list(&hostile, &next), START_US).await;
    assert!(matches!(refused, Err(ImagesError::ImagesInNode { limit: 128 })), "{refused:?}");
    assert_eq!(home.head().await, head);
    assert_eq!(
        home.pds.refused_growth().iter().find(|(bound, _)| *bound == "images_in_node"),
        Some(("images_in_node", 1))
    );
    // What it has can be pushed again; others are let in, and so is another name of its own, which parts the node.
    images.push(list(&hostile, &names(&hostile, 0).next().unwrap()), START_US).await.unwrap();
    images.push(list(&honest, &names(&honest, 0).next().unwrap()), START_US).await.unwrap();
    images.push(list(&hostile, &names(&hostile, 3).next().unwrap()), START_US).await.unwrap();
    images.push(list(&hostile, &next), START_US).await.unwrap();
}

#[tokio::test]
async fn an_account_has_so_many_images_and_no_more() {
    let (_home, images) = home(GrowthLimits { images: 2, records: 0, config_bytes: 0 }).await;
    for name in ["a", "b"] {
        images.push(list(&plc(2), name), START_US).await.unwrap();
    }
    let refused = images.push(list(&plc(2), "c"), START_US).await.unwrap_err();
    assert_eq!(refused.to_string(), "the account has 2 images, as many as one may have here");
    images.push(list(&plc(2), "a"), START_US).await.unwrap();
    images.push(list(&plc(3), "c"), START_US).await.unwrap();
    images.delete_user_data(&plc(3), START_US).await.unwrap();
    images.set(ImagesSettings::default());
    images.push(list(&plc(2), "c"), START_US).await.unwrap();
}

#[tokio::test]
async fn an_account_has_so_many_records_and_no_more() {
    let (home, images) = home(GrowthLimits { images: 0, records: 6, config_bytes: 0 }).await;
    let digests = [1, 2].map(|byte| Digest::from_bytes([byte; 32]));
    let job = move |write: &Write<'_>| {
        digests.iter().try_for_each(|digest| blobs::tables::put_blob(write, digest, 4, START_US))
    };
    home.database.write::<_, StorageError, _>(job).await.unwrap();
    let layer = |digest| PushedLayer { blob: PushedBlob { digest, size_bytes: None }, media_type: "a/b".into() };
    let push = |owner: &Did, name: &str| Push { layers: digests.map(layer).to_vec(), ..list(owner, name) };
    let recorded = async |account: &Did| {
        let account = account.clone();
        home.read(move |read| images::tables::account_records(read, &account)).await
    };
    for name in ["a", "b"] {
        images.push(push(&plc(2), name), START_US).await.unwrap();
    }
    assert_eq!(recorded(&plc(2)).await, 6, "two layers and the manifest of each");
    let refused = images.push(push(&plc(2), "c"), START_US).await.unwrap_err();
    let message = "the account has 6 layers and manifests, this one adds 3, and 6 may be recorded";
    assert_eq!(refused.to_string(), message);
    images.push(push(&plc(2), "a"), START_US).await.unwrap();
    images.push(push(&plc(3), "c"), START_US).await.unwrap();
    images.delete_user_data(&plc(2), START_US).await.unwrap();
    assert_eq!((recorded(&plc(2)).await, recorded(&plc(3)).await), (0, 3));
    assert_eq!(home.pds.refused_growth().iter().map(|(_, count)| count).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_push_that_adds_nothing_is_counted_without_a_commit() {
    let (home, images) = home(NO_GROWTH_BOUND).await;
    images.push(list(&plc(2), "a"), START_US).await.unwrap();
    let head = home.head().await;
    for second in 1..=50 {
        images.push(list(&plc(2), "a"), START_US + second * 1_000_000).await.unwrap();
    }
    assert_eq!(home.head().await, head);
    assert_eq!(images.write_counts(START_US + 60_000_000).await.unwrap(), 1);
    assert_eq!(images.write_counts(START_US + 61_000_000).await.unwrap(), 0);
    let (_, stats) = home.records(STATS).await.pop_first().unwrap();
    assert_eq!((&stats["pushCount"], &stats["lastPush"]), (&51.into(), &"2027-01-15T08:00:50.000Z".into()));
}

#[tokio::test]
async fn an_account_adds_so_much_within_an_hour() {
    let (home, images) = home(NO_GROWTH_BOUND).await;
    let hour_us = 3_600_000_000;
    for (limits, bound) in [
        (PdsLimits { records_per_hour: 2, ..PdsLimits::default() }, GrowthBound::RecordsPerHour),
        (PdsLimits { commits_per_hour: 4, ..PdsLimits::default() }, GrowthBound::CommitsPerHour),
    ] {
        home.pds.set_limits(limits);
        images.push(list(&plc(2), "a"), START_US).await.unwrap();
        images.push(list(&plc(2), "b"), START_US).await.unwrap();
        let mut names = (0..).map(|number| format!("{bound:?}{number}").to_lowercase());
        let refused = loop {
            if let Err(error) = images.push(list(&plc(2), &names.next().unwrap()), START_US + 600_000_000).await {
                break error;
            }
        };
        match refused {
            ImagesError::Pds(PdsError::TooMuchThisHour { bound: by, retry_s: 3000, .. }) => assert_eq!(by, bound),
            other => panic!("{other:?}"),
        }
        // It may go on with what it has, others with what is new, the captain with anything, and it after the hour.
        images.push(list(&plc(2), "a"), START_US).await.unwrap();
        images.push(list(&plc(3), &format!("{bound:?}").to_lowercase()), START_US).await.unwrap();
        for _ in 0..5 {
            images.push(list(&plc(1), &names.next().unwrap()), START_US).await.unwrap();
        }
        images.push(list(&plc(2), &names.next().unwrap()), START_US + hour_us).await.unwrap();
    }
    assert_eq!(home.pds.refused_growth().iter().map(|(_, count)| count).sum::<u64>(), 2);
}

#[tokio::test]
async fn an_admin_sets_so_many_statistics_within_an_hour() {
    let (home, images) = home(NO_GROWTH_BOUND).await;
    home.pds.set_limits(PdsLimits { commits_per_hour: 2, ..PdsLimits::default() });
    let set = |manager, name| images.set_stats(manager, image(&plc(5), name), NewStats::default(), START_US);
    for name in ["a", "b"] {
        set(Manager::Admin(plc(4)), name).await.unwrap();
    }
    let refused = set(Manager::Admin(plc(4)), "c").await;
    assert!(matches!(refused, Err(ImagesError::Pds(PdsError::TooMuchThisHour { .. }))), "{refused:?}");
    set(Manager::Captain, "c").await.unwrap();
}
