//! An old backup in place of the database: the hold goes on above all that consumers hold, and they notice.

use atproto::repo::cbor::Ipld;

use super::dice::Dice;
use super::process::Daemon;
use super::repository::verified;
use super::site::Site;
use super::subscriber::{Heard, History, Subscriber};
use super::writer::Writer;
use crate::support::http::blocking::Client;
use crate::support::repo_home::event::Event;

fn write(writer: &mut Writer, client: &Client, count: usize) {
    let before = writer.revs.len();
    while writer.revs.len() < before + count {
        writer.write(client).unwrap();
    }
}

/// Lets the hold lose fifty commits that a consumer has seen, and go on.
fn check(backup: impl FnOnce(&Site, Daemon) -> Daemon) {
    let mut dice = Dice::of_this_run();
    let site = Site::new();
    let mut daemon = site.start();
    let mut writer = Writer::new(0, dice.split());
    write(&mut writer, &daemon.client(&site.alice), 10);
    let (backed_up, _) = verified(&daemon.anonymous());
    daemon = backup(&site, daemon);
    let mut history = History::new(&daemon.anonymous(), dice.split());
    write(&mut writer, &daemon.client(&site.alice), 50);
    history.catch_up(&daemon.anonymous());
    daemon.kill();
    restore(&site);

    let daemon = site.start();
    let (client, alice) = (daemon.anonymous(), daemon.client(&site.alice));
    let held = &history.consumer;
    assert_eq!(verified(&client).0.rev, backed_up.rev);
    // Until there is a new commit, the consumer's place is in the future.
    let mut early = Subscriber::open(&client, Some(held.seq)).unwrap();
    assert!(early.frame().windows(12).any(|text| text == b"FutureCursor"));
    assert_eq!(early.hear(), Heard::End(Some(1008)));

    let mut live = Subscriber::open(&client, None).unwrap();
    let mut other = Writer::new(1, dice.split());
    write(&mut other, &alice, 1);
    let frame = live.frame();
    assert_eq!(Subscriber::open(&client, Some(held.seq)).unwrap().frame(), frame, "its cursor is in the past again");
    let event = Event::decode(&frame);
    assert!(event.seq > held.seq && event.text("rev") > held.rev.as_ref().unwrap().as_str(), "above all it holds");
    // By this it knows that it must fetch the repository again.
    assert_eq!(event.field("since"), &Ipld::String(backed_up.rev.to_string()));
    assert_eq!(event.link("prevData"), backed_up.data);
    assert!(held.data != Some(backed_up.data) && held.rev.as_ref() != Some(&backed_up.rev));

    let (commit, records) = verified(&client);
    let consumer = &mut history.consumer;
    (consumer.seq, consumer.rev, consumer.data) = (event.seq, Some(commit.rev), Some(commit.data));
    consumer.records = records;
    write(&mut other, &alice, 20);
    history.catch_up(&client);
    assert_eq!(history.consumer.records, verified(&client).1);
    assert_eq!(daemon.stop(), Some(0));
}

fn restore(site: &Site) {
    for name in ["hold.db-wal", "hold.db-shm"] {
        let _ = std::fs::remove_file(site.path(name));
    }
    std::fs::copy(site.path("backup.db"), site.path("hold.db")).unwrap();
}

#[test]
fn a_backup_made_while_it_ran_goes_on_above_what_consumers_hold() {
    check(|site, daemon| {
        assert_eq!(site.run(&["backup", "backup.db"]).code, Some(0));
        daemon
    });
}

#[test]
fn a_copy_of_the_stopped_hold_goes_on_above_what_consumers_hold() {
    check(|site, daemon| {
        assert_eq!(daemon.stop(), Some(0));
        std::fs::copy(site.path("hold.db"), site.path("backup.db")).unwrap();
        site.start()
    });
}
