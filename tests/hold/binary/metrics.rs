//! What a scraper is given, and where: the page, its sockets, and that the dashboard and the alerts use what is on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::process::{Daemon, eventually};
use super::site::Site;
use super::subscriber::Subscriber;
use crate::support::http::blocking::{Client, Place};

const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page, by name and labels.
pub(super) struct Page(BTreeMap<String, f64>);

impl Page {
    fn of(text: &str) -> Self {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        let page: BTreeMap<_, _> = text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
        let lines = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(page.len(), lines, "no series comes twice");
        Self(page)
    }

    pub(super) fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} among {:?}", self.0.keys()))
    }

    /// The names of all metrics, as queries have them.
    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|series| series.split('{').next().unwrap()).collect()
    }
}

/// Where the daemon says that it answers scrapers.
pub(super) fn scraper(daemon: &Daemon) -> Client {
    let line = daemon.wait_for_line(": ready url=");
    let address = line.split("metrics=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    Client { place: address.parse().map_or_else(|_| Place::Unix(address.into()), Place::Tcp), token: None }
}

pub(super) fn scrape(scraper: &Client) -> Page {
    let answer = scraper.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some(MEDIA_TYPE));
    Page::of(std::str::from_utf8(&answer.body).unwrap())
}

/// A hold that was used: a push, a pull, a subscriber, refusals of several kinds.
fn used_hold(site: &mut Site) -> (Daemon, Client, Subscriber) {
    site.set("HOLD_METRICS_ADDR", "127.0.0.1:0");
    let daemon = site.start();
    let alice = daemon.client(&site.alice);
    alice.push(&[7; 100_000]);
    assert!(alice.pull(&[7; 100_000]).is_some());
    let upload = alice.initiate();
    assert_eq!(alice.complete(&upload, b"not sent", &["x".into()]).status, 400);
    let forged = Client { token: Some("not.a.token".into()), ..alice.clone() };
    assert_eq!(forged.try_initiate().unwrap().status, 401);
    assert_eq!(daemon.client(&site.bob).try_initiate().unwrap().status, 403);
    let subscriber = Subscriber::open(&alice, Some(0)).unwrap();
    let scraper = scraper(&daemon);
    (daemon, scraper, subscriber)
}

#[test]
fn the_page_says_what_happened() {
    let mut site = Site::new();
    let (daemon, scraper, subscriber) = used_hold(&mut site);
    assert_eq!(daemon.anonymous().get("/xrpc/a.b.noSuchMethod").status, 501);
    // What was answered may still be ending, and what a start has to do may still be done.
    let mut page = scrape(&scraper);
    eventually("the subscriber has everything, and is alone", || {
        page = scrape(&scraper);
        page.get("atcr_hold_firehose_lag_events") == 0.0
            && page.get("atcr_hold_connections_open") == 1.0
            && page.get("atcr_hold_task_last_success_timestamp_seconds{task=\"sweep\"}") > 0.0
    });
    for (series, value) in [
        ("atcr_hold_build_info{version=\"0.1.0\"}", 1.0),
        ("atcr_hold_requests_total{method=\"io.atcr.hold.completeUpload\",code=\"200\"}", 1.0),
        ("atcr_hold_requests_total{method=\"io.atcr.hold.completeUpload\",code=\"400\"}", 1.0),
        ("atcr_hold_requests_total{method=\"io.atcr.hold.initiateUpload\",code=\"401\"}", 1.0),
        ("atcr_hold_requests_total{method=\"io.atcr.hold.initiateUpload\",code=\"403\"}", 1.0),
        ("atcr_hold_requests_total{method=\"com.atproto.sync.subscribeRepos\",code=\"101\"}", 1.0),
        ("atcr_hold_requests_total{method=\"other\",code=\"501\"}", 1.0),
        ("atcr_hold_request_duration_seconds_count{method=\"io.atcr.hold.uploadPart\"}", 1.0),
        ("atcr_hold_token_checks_total{result=\"BadJwt\"}", 1.0),
        // Alice's and Bob's; Alice's was used again for each call.
        ("atcr_hold_token_checks_total{result=\"proven\"}", 2.0),
        ("atcr_hold_did_lookups_total{result=\"found\"}", 2.0),
        ("atcr_hold_uploads_begun_total", 2.0),
        ("atcr_hold_upload_completions_total{result=\"completed\"}", 1.0),
        ("atcr_hold_upload_completions_total{result=\"refused\"}", 1.0),
        ("atcr_hold_upload_completions_total{result=\"failed\"}", 0.0),
        ("atcr_hold_uploads_open", 1.0),
        ("atcr_hold_blobs", 1.0),
        ("atcr_hold_blob_bytes", 100_000.0),
        ("atcr_hold_records{collection=\"io.atcr.hold.captain\"}", 1.0),
        ("atcr_hold_records{collection=\"io.atcr.hold.crew\"}", 1.0),
        ("atcr_hold_crew_members", 1.0),
        ("atcr_hold_firehose_subscribers", 1.0),
        ("atcr_hold_connections_open", 1.0),
        ("atcr_hold_connections_max", 1024.0),
        ("atcr_hold_storage_errors_total{backend=\"filesystem\",kind=\"failed\"}", 0.0),
    ] {
        assert!((page.get(series) - value).abs() < f64::EPSILON, "{series} {} instead of {value}", page.get(series));
    }
    for (series, least) in [
        ("atcr_hold_received_bytes_total", 100_000.0),
        ("atcr_hold_sent_bytes_total", 100_000.0),
        ("atcr_hold_database_bytes", 4096.0),
        ("atcr_hold_filesystem_free_bytes{of=\"blobs\"}", 1.0),
        ("process_start_time_seconds", 1_700_000_000.0),
        ("process_resident_memory_bytes", 1_000_000.0),
        ("atcr_hold_task_last_success_timestamp_seconds{task=\"sweep\"}", 1_700_000_000.0),
    ] {
        assert!(page.get(series) >= least, "{series} {}", page.get(series));
    }
    drop(subscriber);
    eventually("the subscriber is gone", || scrape(&scraper).get("atcr_hold_firehose_subscribers") == 0.0);
}

#[test]
fn metrics_are_not_on_the_public_socket_and_nothing_else_is_on_theirs() {
    let mut site = Site::new();
    site.set("HOLD_METRICS_ADDR", format!("unix:{}", site.path("metrics.sock").display()));
    let daemon = site.start();
    assert_eq!(daemon.anonymous().get("/metrics").outcome(), (404, "NotFound".into()));
    let scraper = scraper(&daemon);
    scrape(&scraper);
    for path in ["/", "/metrics/", "/-/healthy", "/xrpc/_health", "/.well-known/did.json"] {
        assert_eq!(scraper.get(path).status, 404, "{path}");
    }
    assert_eq!(scraper.try_send("POST", "/metrics", "", b"x").unwrap().status, 405);
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    assert_eq!(scraper.try_send("GET", "/metrics", &long, b"").unwrap().status, 431);
    assert_eq!(daemon.stop(), Some(0));

    site.unset("HOLD_METRICS_ADDR");
    let daemon = site.start();
    assert!(!daemon.wait_for_line(": ready url=").contains("metrics="));
}

#[test]
fn a_socket_passed_on_by_the_name_of_metrics_is_for_them_alone() {
    let mut site = Site::new();
    let (public, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), site.path("metrics.sock"));
    let moves = "exec 3<&1 4<&0 0</dev/null 1>/dev/null; LISTEN_FDS=2 LISTEN_FDNAMES=metrics:atcr-hold.socket \
                 LISTEN_PID=$$; export LISTEN_FDS LISTEN_FDNAMES LISTEN_PID; exec \"$@\"";
    site.wrap(&["sh", "-c", moves, "sh"]);
    // A socket that was passed on goes first: nobody could listen there.
    site.set("HOLD_METRICS_ADDR", "192.0.2.1:1");
    let mut command = site.command(&[]);
    let metrics = OwnedFd::from(UnixListener::bind(&path).unwrap());
    let address = public.local_addr().unwrap();
    command.stdin(Stdio::from(OwnedFd::from(public))).stdout(Stdio::from(metrics));
    let daemon = Daemon::start(command);
    let on_metrics = Client { place: Place::Unix(path), token: None };
    let on_public = Client { place: Place::Tcp(address), token: None };
    scrape(&on_metrics);
    assert_eq!(on_metrics.get("/xrpc/_health").status, 404);
    assert_eq!(on_public.get("/xrpc/_health").status, 200);
    assert_eq!(on_public.get("/metrics").status, 404);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_address_that_is_taken_stops_the_start() {
    let mut site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    site.set("HOLD_METRICS_ADDR", taken.local_addr().unwrap().to_string());
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("set HOLD_METRICS_ADDR to a free address"), "{}", ended.stderr);
}

#[test]
fn scrapers_that_do_not_read_take_nothing_from_requests() {
    let mut site = Site::new();
    site.set("HOLD_METRICS_ADDR", "127.0.0.1:0");
    let daemon = site.start();
    let scraper = scraper(&daemon);
    // More than may be served at once; the others wait in the backlog.
    let silent: Vec<_> = (0..12).map(|_| scraper.connect().unwrap()).collect();
    assert_eq!(daemon.anonymous().get("/xrpc/_health").status, 200);
    drop(silent);
    scrape(&scraper);
}

/// Whatever looks like a metric's name in the queries of the dashboard and the alerts.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("atcr_hold_") || word.starts_with("process_")).collect()
}

/// All strings under `expr`, wherever they are.
fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(queries).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match (name.as_str(), field) {
                ("expr", Value::String(text)) => vec![text.clone()],
                _ => queries(field),
            })
            .collect(),
        _ => vec![],
    }
}

#[test]
fn the_dashboard_and_the_alerts_use_what_is_on_the_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nixos/metrics");
    let dashboard = std::fs::read_to_string(folder.join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = queries(&dashboard);
    assert!(asked.len() > 30, "{} queries", asked.len());
    let alerts = std::fs::read_to_string(folder.join("alerts.yml")).unwrap();
    asked.push(alerts.replace("atcr-hold", ""));
    let asked: BTreeSet<&str> = asked.iter().flat_map(|query| names_in(query)).collect();

    let mut site = Site::new();
    let (_daemon, scraper, _subscriber) = used_hold(&mut site);
    let page = scrape(&scraper);
    let mut known = page.names();
    // A hold with a bucket has these too; tests/hold/api/metrics.rs holds the page to them.
    known.extend([
        "atcr_hold_bucket_requests_total",
        "atcr_hold_bucket_retries_total",
        "atcr_hold_bucket_failures_total",
    ]);
    let manual: BTreeSet<_> = include_str!("../../../src/hold/manual/monitoring.md")
        .split('`')
        .filter_map(|word| word.split('{').next())
        .collect();
    for name in known.iter().filter_map(|name| name.strip_prefix("atcr_hold_")) {
        let name = ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(manual.contains(name), "the manual has no {name}");
    }
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?} are on no page");
    let unseen: Vec<_> = known.difference(&asked).filter(|name| name.starts_with("atcr_hold_")).collect();
    // Parts of a histogram, what only the dashboard's list of holds asks for, and what two others are made of.
    let left_out = [
        "atcr_hold_build_info",
        "atcr_hold_proofs_total",
        "atcr_hold_request_duration_seconds_count",
        "atcr_hold_request_duration_seconds_sum",
    ];
    assert_eq!(unseen, left_out.iter().collect::<Vec<_>>(), "every number is shown somewhere");
}
