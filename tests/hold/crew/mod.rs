//! Captain and crew follow the configuration: in one commit, or in none when nothing differs.

mod captain;
mod crowd;
mod documents;
mod members;
mod other_keys;

use serde_json::Value;

use crate::support::did_server::plc;
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::{CREW, RepoHome, START_US, declared};
use atcr_hold::crew::{Declared, member_key};
use atproto::syntax::Did;

const A_DAY_US: u64 = 86_400_000_000;
/// The time of the first start, and a day later.
const FIRST: &str = "2027-01-15T08:00:00.000Z";
const SECOND: &str = "2027-01-16T08:00:00.000Z";

/// A hold that was started once, and its consumer.
struct Started {
    home: RepoHome,
    consumer: Consumer,
    declared: Declared,
}

impl Started {
    /// Owned by `plc(1)`, with what `change` adds to the declaration.
    async fn new(change: impl FnOnce(&mut Declared)) -> Self {
        let home = RepoHome::new();
        let mut declared = declared(&home, &plc(1));
        change(&mut declared);
        home.crew.reconcile(&declared, START_US).await.unwrap();
        let mut consumer = Consumer::new(&home);
        consumer.catch_up(&home).await;
        Self { home, consumer, declared }
    }

    /// Starts again a day later with a changed declaration. Answers the paths of each commit's operations.
    async fn again(&mut self, change: impl FnOnce(&mut Declared)) -> Vec<Vec<String>> {
        change(&mut self.declared);
        let changed = self.home.crew.reconcile(&self.declared, START_US + A_DAY_US).await.unwrap();
        let events = self.consumer.catch_up(&self.home).await;
        assert!(events.iter().all(|event| event.kind == "#commit"));
        let paths: Vec<Vec<_>> =
            events.iter().map(|event| event.ops().into_iter().map(|op| op.path).collect()).collect();
        assert_eq!(changed, paths.iter().map(Vec::len).sum::<usize>(), "the answer is the number of records");
        paths
    }

    /// The crew record of `did`, where it is one.
    async fn crew_record(&self, did: &Did) -> Option<Value> {
        self.home.records(CREW).await.remove(member_key(did).as_str())
    }

    /// Reopens, so that the next start has this rule.
    fn with_mutable_crew(self, mutable: bool) -> Self {
        Self { home: self.home.reopen(mutable), ..self }
    }
}

fn crew_path(did: &Did) -> String {
    format!("{CREW}/{}", member_key(did))
}
