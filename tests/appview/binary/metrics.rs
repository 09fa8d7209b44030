//! What a scraper is given: the page, and that the manual and the alerts know what is on it.

use std::collections::BTreeSet;

use super::site::Site;
use crate::support::did_server::Reply;
use crate::support::http::blocking::{Client, Place};
use crate::support::manual::root;

/// The samples of a page, `series value` a line.
pub(super) fn scrape(scraper: &Client) -> String {
    let answer = scraper.get("/metrics");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    answer.text().to_owned()
}

/// Whatever looks like a metric's name in a file of `nixos/metrics`.
fn names_in(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("nixos/metrics").join(file)).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("atcr_appview_")).map(str::to_owned).collect()
}

#[test]
fn the_page_says_what_happened_and_the_manual_what_it_means() {
    let mut site = Site::new();
    site.set("ATCR_METRICS_ADDR", "127.0.0.1:0");
    site.set("ATCR_RELAY_URL", "http://localhost:1");
    let daemon = site.start();
    site.hold_takes_uploads();
    let client = site.signed_in(&daemon);
    let begun = client.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap();
    assert_eq!(begun.status, 202);
    let target = begun.header("location").unwrap();
    assert_eq!(client.try_send("PATCH", target, "", &[7; 1000]).unwrap().status, 202);
    assert_eq!(
        client.try_send("PUT", &format!("{target}?digest=sha256:{}", "7".repeat(64)), "", &[]).unwrap().status,
        400
    );
    assert_eq!(client.try_send("POST", &format!("{}/blobs/uploads/", site.repository()), "", &[]).unwrap().status, 202);

    let line = daemon.wait_for_line(": ready url=");
    let address = line.split("metrics=\"").nth(1).unwrap().split('"').next().unwrap();
    let scraper = Client { place: Place::Tcp(address.parse().unwrap()), token: None };
    let page = scrape(&scraper);
    for line in [
        "atcr_appview_requests_total{method=\"/v2/*/blobs/uploads/\",code=\"202\"} 2",
        "atcr_appview_requests_total{method=\"/auth/token\",code=\"200\"} 1",
        "atcr_appview_uploads_begun_total 2",
        "atcr_appview_uploads_open 1",
        "atcr_appview_upload_completions_total{result=\"refused\"} 1",
        "atcr_appview_sessions 1",
        "atcr_appview_notices_queued 0",
        "atcr_appview_notice_oldest_seconds 0",
    ] {
        assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
    }
    let names: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let manual = std::fs::read_to_string(root().join("src/appview/manual/monitoring.md")).unwrap();
    for name in &names {
        assert!(name.starts_with("process_") || manual.contains(&format!("`{name}`")), "the manual has no {name}");
    }
    let named = manual
        .split('`')
        .filter(|word| word.starts_with("atcr_appview_") && !word.contains(['{', ' ', '[']))
        .collect::<BTreeSet<_>>();
    assert!(named.iter().all(|name| names.contains(name)), "{named:?} is more than {names:?}");
    let (dashboard, alerts) = (names_in("appview-dashboard.json"), names_in("appview-alerts.yml"));
    let base = |name: &String| name.strip_suffix("_bucket").unwrap_or(name).to_owned();
    for name in dashboard.iter().chain(&alerts).map(base) {
        assert!(names.contains(name.as_str()), "{name} is on no page");
    }
    let shown: BTreeSet<_> = dashboard.iter().map(base).collect();
    let unseen: Vec<_> = names.iter().filter(|name| !name.starts_with("process_") && !shown.contains(**name)).collect();
    assert!(unseen.is_empty(), "{unseen:?} are not on the dashboard");
}

#[test]
fn what_counts_as_an_error_of_a_server_has_its_reason_in_the_log() {
    let mut site = Site::new();
    // At an address of this machine browsers are led to its number first.
    site.set("ATCR_BASE_URL", "https://registry.example.org");
    let did = site.alice.as_str().replace(':', "%3A");
    let tags = format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection=io.atcr.tag&limit=100");
    let failed = "HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    site.network.set(&tags, Reply::Raw(failed.into()));
    let daemon = site.start();
    let page = daemon.anonymous().get(&format!("/{}/app", site.alice.as_str().replace(':', "-")));
    assert_eq!(page.status, 503, "{}", page.text());
    let line = daemon.wait_for_line("a page or a form failed with 503");
    assert!(line.contains("PDS"), "{line}");
}
