//! What a reload follows is what the table of options says.

use atcr_hold::config::{Config, OPTIONS};
use server::settings::Reload;

use super::{OWNER, load_toml};

const OTHER: &str = "public_url = 'https://other.example.org'\nowner = 'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa'\npublic = true\n\
    allow_all_crew = true\nmutable_crew = false\nregion = 'eu'\nsuccessor = 'did:web:next.example.org'\nnew_crew_tier = 'a'\n\
    appviews = ['did:web:atcr.io']\nbluesky_posts = true\nrelays = ['bsky.network']\ntest_mode = true\nlog_level = 'debug'\n\
    [profile]\ndisplay_name = 'x'\n[tiers]\na.quota = '5 GB'\n[crew.'did:plc:bbbbbbbbbbbbbbbbbbbbbbbb']\npermissions = ['blob:read']\n\
    [gc]\nenabled = true\n[limits]\nmax_part_bytes = 5\nmax_blob_bytes = 6\nuploads_per_account = 7\nuploads_total = 8\n\
    stale_upload_s = 9000\nconnections = 10\nrequests_per_address = 11\nrequests_per_account = 12\nsubscribers = 18\nsubscribers_per_address = 19\nimages_per_account = 14\nrecords_per_account = 15\nmeasure_upload_s = 21\nmax_config_bytes = 20\n\
    records_per_hour = 16\ncommits_per_hour = 17\nevent_bytes = 16777216\nreserve_bytes = 20000000\nwrites_per_account = 3\ndrain_s = 13\n\
    [server]\naddr = ':9'\n[storage]\nroot_dir = '/other'\n";

fn with_file(text: &str) -> Config {
    use super::Place;
    use server::settings::{Environment, Sources};
    let place = Place::new();
    let file = Some(place.file("hold.toml", text).into());
    Config::load(&Sources { file, ..Sources::of_environment(Environment::from([])) }).unwrap()
}

#[test]
fn a_reload_takes_what_is_live_and_keeps_the_rest() {
    let running = with_file(&format!(
        "public_url = 'https://hold.example.org'\nowner = '{OWNER}'\nstorage.root_dir = '/srv/blobs'\n"
    ));
    let new = with_file(OTHER);
    let next = running.followed(&new).unwrap();
    // Everything as in the new one, but for what is fixed at start.
    let mut expected = new.clone();
    expected.public_url = running.public_url.clone();
    expected.did = running.did.clone();
    expected.relays = running.relays.clone();
    expected.test_mode = running.test_mode;
    expected.log_level = running.log_level.clone();
    expected.server_addr = running.server_addr.clone();
    expected.storage = running.storage.clone();
    expected.gc = running.gc.clone();
    expected.limits.connections = running.limits.connections;
    expected.limits.writes_per_account = running.limits.writes_per_account;
    expected.limits.subscribers = running.limits.subscribers;
    expected.limits.subscribers_per_address = running.limits.subscribers_per_address;
    expected.limits.drain = running.limits.drain;
    assert_eq!(format!("{next:?}"), format!("{expected:?}"));
    assert_eq!(
        running.waiting_for_restart(&new),
        [
            "public_url",
            "server.addr",
            "storage.root_dir",
            "relays",
            "test_mode",
            "log_level",
            "gc.enabled",
            "limits.connections",
            "limits.writes_per_account",
            "limits.subscribers",
            "limits.subscribers_per_address",
            "limits.drain_s"
        ]
    );
    assert!(next.waiting_for_restart(&running).is_empty() && running.waiting_for_restart(&running).is_empty());
}

#[test]
fn what_is_live_must_fit_to_what_is_fixed() {
    let running = load_toml("").unwrap();
    let new = with_file(&OTHER.replace("next.example.org", "hold.example.org"));
    let error = running.followed(&new).unwrap_err().to_string();
    assert!(error.contains("successor") && error.contains("this hold itself"), "{error}");
}

#[test]
fn the_same_value_from_a_variable_and_from_the_file_is_no_change() {
    let file = load_toml("test_mode = true\nlimits.drain_s = 30").unwrap();
    let variable = super::load([("TEST_MODE", "yes")]).unwrap();
    assert!(file.waiting_for_restart(&variable).is_empty());
    assert!(OPTIONS.iter().any(|option| option.name == "test_mode" && option.reload == Reload::Restart));
}
