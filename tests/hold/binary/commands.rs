//! The operator's commands: on a running hold through its admin socket, and on one that is not running.

mod both_ways;
mod by_root;
mod copies;
mod garbage;
mod help;
mod migration;
mod refusals;
mod socket;
mod storage;
mod streams;
mod units;

use serde_json::json;

use super::process::Daemon;
use super::site::Site;

/// A hold that was started once and is not running.
fn started_once() -> Site {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    site
}

/// Adds members through the captain's hand until the repository has so many MiB.
fn grow(daemon: &Daemon, site: &Site, mib: usize) {
    const RECORDS: usize = 30;
    let client = daemon.client(&site.alice);
    for batch in 0..mib * 1024 / (RECORDS * 7) + 1 {
        let writes: Vec<_> = (0..RECORDS)
            .map(|number| {
                let record = json!({
                    "$type": "io.atcr.hold.crew", "member": format!("did:web:m{batch}x{number}.example.org"), "role": "member",
                    "permissions": ["blob:read"], "addedAt": "2026-01-01T00:00:00.000Z", "note": "n".repeat(7 * 1024),
                });
                json!({ "$type": "com.atproto.repo.applyWrites#create", "collection": "io.atcr.hold.crew", "value": record })
            })
            .collect();
        let answer = client
            .call("com.atproto.repo.applyWrites", &json!({ "repo": "did:web:localhost%3A8080", "writes": writes }));
        assert_eq!(answer.status, 200, "{}", answer.field("message"));
    }
}
