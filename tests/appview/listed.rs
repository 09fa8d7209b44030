//! An account that is listed while changes of it come.

use atcr_appview::index::{Change, Index, IndexLimits, RepositoryOrder, SearchWords};
use atcr_appview::schema;
use atproto::syntax::Did;
use tempfile::TempDir;

use crate::index::image;
use crate::support::did_server::plc;

const HOLD: &str = "did:web:hold.example.org";

#[tokio::test]
async fn what_comes_while_an_account_is_listed_is_not_lost() {
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    let index = Index::new(database, IndexLimits::of_total(1000), || 1_800_000_000_000_000);
    let alice = plc(2);
    let of = |name: &str| -> Vec<Change> { image(&alice, name, "v1", HOLD, "word") };
    index.apply(of("old"), None).await.unwrap();
    index.set_hold_is_public(&Did::parse(HOLD).unwrap(), Some(true)).await.unwrap();
    index.begin_listing(&alice);
    index.apply(of("new"), None).await.unwrap();
    index.replace(&alice, of("listed")).await.unwrap();
    let words = SearchWords::of("word").unwrap();
    let found = index.search(&words, RepositoryOrder::Pushed, 10, None).await.unwrap();
    let mut names: Vec<_> = found.repositories.iter().map(|found| found.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["listed", "new"]);
}
