//! Subscribers beside each other: one that does not read loses itself, and nobody else anything.

use serde_json::{Value, json};

use super::dice::Dice;
use super::site::Site;
use super::subscriber::{Heard, History, Subscriber};
use crate::api::firehose::member_record;
use crate::support::did_server::plc;
use crate::support::http::blocking::Client;
use crate::support::repo_home::CREW;

/// Commits of 200 kB: more than the system keeps for a reader.
const LARGE: u32 = 50;
/// More commits than a reader may be behind.
const SMALL: u32 = 600;

fn apply(client: &Client, writes: &[Value]) {
    let input = json!({ "repo": "did:web:localhost%3A8080", "writes": writes });
    assert_eq!(client.call("com.atproto.repo.applyWrites", &input).outcome(), (200, String::new()));
}

fn create(number: u32, note: &str) -> Value {
    let value = member_record(&plc(1_000 + number), note);
    json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": CREW, "value": value })
}

#[test]
fn a_reader_that_does_not_read_loses_only_itself() {
    let mut site = Site::new();
    site.configure("[limits]\nrequests_per_address = 0\nrequests_per_account = 0\n");
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    let mut dice = Dice::of_this_run();
    let mut histories: Vec<_> = (0..3).map(|_| History::new(&client, dice.split())).collect();
    histories[0].catch_up(&client);
    let begin = histories[0].frames.len();
    let mut stuck = Subscriber::open(&client, None).unwrap();
    let read = std::thread::scope(|scope| {
        for history in &mut histories {
            scope.spawn(|| history.follow(&client));
        }
        write(&client);
        let read = read_out(&mut stuck);
        daemon.signal("TERM");
        read
    });
    assert_eq!(daemon.ended().code(), Some(0));

    let daemon = site.start();
    for history in &mut histories {
        history.catch_up(&daemon.anonymous());
    }
    let [one, others @ ..] = &histories[..] else { panic!("three histories") };
    assert!(others.iter().all(|other| other.frames == one.frames));
    let news = &one.frames[begin..];
    assert_eq!(news.len(), usize::try_from(LARGE + SMALL).unwrap());
    assert!(read.len() < news.len() && news.starts_with(&read), "{} of {} events", read.len(), news.len());
}

/// More than the system keeps for a reader, then more than the hold waits for one.
fn write(client: &Client) {
    let long = "x".repeat(7_000);
    for commit in 0..LARGE {
        let writes: Vec<_> = (commit * 30..commit * 30 + 30).map(|number| create(number, &long)).collect();
        apply(client, &writes);
    }
    for number in 0..SMALL {
        apply(client, &[create(LARGE * 30 + number, "short")]);
    }
}

/// All events up to some one; then why no more come, unless it reads too late for that.
fn read_out(subscriber: &mut Subscriber) -> Vec<Vec<u8>> {
    let mut read = vec![];
    let end = loop {
        match subscriber.hear() {
            Heard::Frame(frame) => read.push(frame),
            Heard::End(code) => break code,
        }
    };
    let told = read.pop_if(|frame| frame.windows(15).any(|text| text == b"ConsumerTooSlow")).is_some();
    assert_eq!(end, told.then_some(1008));
    read
}
