//! The events of commits: the first ones, their numbers, and none for what changes nothing.

use atcr_hold::pds::{PdsError, Plan, RecordWrite};
use atproto::repo::cbor::Ipld;
use atproto::syntax::Tid;

use crate::support::did_server::plc;
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const A_SECOND_US: u64 = 1_000_000;

fn seq_of(us: u64) -> i64 {
    us.try_into().unwrap()
}

#[tokio::test]
async fn a_new_repository_introduces_itself() {
    let home = RepoHome::new();
    let changed = home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let mut consumer = Consumer::new(&home);
    let events = consumer.catch_up(&home).await;
    assert_eq!(changed, 3);
    assert_eq!(
        events.iter().map(|e| e.kind).collect::<Vec<_>>(),
        ["#identity", "#account", "#commit", "#sync", "#commit"]
    );
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (0..5).map(|n| seq_of(START_US) + n).collect::<Vec<_>>());
    assert_eq!(events[0].names(), ["did", "handle", "seq", "time"]);
    assert_eq!((events[0].text("handle"), events[0].text("time")), ("hold.example.org", "2027-01-15T08:00:00.000Z"));
    assert_eq!(events[1].names(), ["active", "did", "seq", "time"]);
    assert_eq!(events[1].field("active"), &true.into());
    let (first, second) = (&events[2], &events[4]);
    assert_eq!((first.field("since"), first.field("ops")), (&Ipld::Null, &Ipld::List(Vec::new())));
    let empty = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    assert_eq!(second.link("prevData").to_string(), empty);
    assert_eq!(second.text("since"), first.text("rev"));
    let rev = Tid::parse(first.text("rev")).unwrap();
    assert_eq!((rev.micros(), second.ops().len()), (START_US, 3));
}

#[tokio::test]
async fn a_hold_without_a_public_name_announces_no_handle() {
    let home = RepoHome::local();
    home.commit(START_US, Vec::new()).await.unwrap();
    let events = Consumer::new(&home).catch_up(&home).await;
    assert_eq!(events[0].names(), ["did", "seq", "time"]);
    assert_eq!(events.len(), 4, "an empty plan makes the repository and no second commit");
}

#[tokio::test]
async fn numbers_follow_the_clock_and_never_go_back() {
    let mut home = RepoHome::new();
    let mut consumer = Consumer::new(&home);
    home.commit(START_US, Vec::new()).await.unwrap();
    consumer.catch_up(&home).await;
    let mut number = 0;
    for (now_us, expected) in [
        (START_US + A_SECOND_US, seq_of(START_US + A_SECOND_US)),
        // The clock stands still.
        (START_US + A_SECOND_US, seq_of(START_US + A_SECOND_US) + 1),
        // It steps back an hour, then to 1970.
        (START_US - 3600 * A_SECOND_US, seq_of(START_US + A_SECOND_US) + 2),
        (0, seq_of(START_US + A_SECOND_US) + 3),
        // It is right again.
        (START_US + 2 * A_SECOND_US, seq_of(START_US + 2 * A_SECOND_US)),
    ] {
        number += 1;
        home.commit(now_us, vec![change("com.example.note/a", RecordWrite::Put(note(&number.to_string())))])
            .await
            .unwrap();
        let events = consumer.catch_up(&home).await;
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [expected]);
        home = home.reopen(true);
    }
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_trace() {
    let home = RepoHome::new();
    let put = |text: &str| vec![change("com.example.note/a", RecordWrite::Put(note(text)))];
    home.commit(START_US, put("one")).await.unwrap();
    let (head, events) = (home.head().await, home.events_after(0).await.len());
    for changes in [put("one"), vec![change("com.example.note/a", RecordWrite::Update(note("one")))], Vec::new()] {
        let expected = changes.len();
        let outcome = home.commit(START_US + A_SECOND_US, changes).await.unwrap();
        assert_eq!((outcome.commit, outcome.cids.len()), (None, expected));
    }
    assert_eq!((home.head().await, home.events_after(0).await.len()), (head, events));
    let mixed = [put("one"), vec![change("com.example.note/b", RecordWrite::Create(note("one")))]].concat();
    home.commit(START_US + A_SECOND_US, mixed).await.unwrap();
    let events = Consumer::new(&home).catch_up(&home).await;
    let ops = events.last().unwrap().ops();
    assert_eq!(ops.iter().map(|op| op.path.as_str()).collect::<Vec<_>>(), ["com.example.note/b"]);
}

#[tokio::test]
async fn what_fails_leaves_no_trace() {
    let home = RepoHome::new();
    home.commit(START_US, vec![change("com.example.note/a", RecordWrite::Create(note("one")))]).await.unwrap();
    let (head, events) = (home.head().await, home.events_after(0).await.len());
    let now_us = START_US + A_SECOND_US;
    let good = || change("com.example.note/b", RecordWrite::Create(note("two")));
    let absent = |write| change("com.example.note/absent", write);
    for (bad, expected) in [
        (change("com.example.note/a", RecordWrite::Create(note("two"))), "exists already"),
        (absent(RecordWrite::Update(note("two"))), "no such record"),
        (absent(RecordWrite::Delete), "no such record"),
        (good(), "twice"),
        (change("com.example.note/c", RecordWrite::Put(Ipld::Float(1.5))), "not a valid record"),
    ] {
        let error = home.commit(now_us, vec![good(), bad]).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let refused = home.pds.commit(now_us, None, |_| Err(PdsError::RecordNotFound)).await;
    assert!(matches!(refused, Err(PdsError::RecordNotFound)));
    let panicked = home.pds.commit(now_us, None, |_| -> Result<Plan, PdsError> { panic!("deliberate") }).await;
    assert!(matches!(panicked, Err(PdsError::Storage(_))));
    assert_eq!((home.head().await, home.events_after(0).await.len()), (head, events));
    home.commit(now_us, vec![good()]).await.unwrap();
    assert_eq!(Consumer::new(&home).catch_up(&home).await.len(), events + 1);
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_whole() {
    let home = RepoHome::new();
    home.commit(START_US, Vec::new()).await.unwrap();
    let (entered, started) = std::sync::mpsc::channel();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let pds = home.pds.clone();
    let caller = tokio::spawn(async move {
        let decide = move |_: &atcr_hold::pds::Records<'_>| {
            entered.send(()).unwrap();
            wait.recv().unwrap();
            Ok::<_, PdsError>(Plan::of(vec![change("com.example.note/a", RecordWrite::Create(note("one")))]))
        };
        pds.commit(START_US + A_SECOND_US, None, decide).await
    });
    tokio::task::spawn_blocking(move || started.recv().unwrap()).await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();
    // One writer: the next commit begins after the abandoned one.
    home.commit(START_US + A_SECOND_US, Vec::new()).await.unwrap();
    let mut consumer = Consumer::new(&home);
    consumer.catch_up(&home).await;
    assert_eq!(consumer.records.len(), 1);
}
