//! A hold that was stopped, or whose machine starts with a clock that is ahead, as one without a battery may.

use atcr_hold::blobs::tables::{PartPlace, PartRow, begin_upload, put_part};
use atcr_hold::{pds, schema};
use server::sqlite::Write;
use server::storage::StorageError;

use super::site::Site;
use crate::support::hold::now_s;

const DAY_US: u64 = 86_400_000_000;

/// Writes to the database of a hold that is stopped.
fn write(site: &Site, job: impl FnOnce(&Write<'_>) -> Result<(), StorageError> + Send + 'static) {
    let database = schema::open(&site.path("hold.db")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(database.write(job)).unwrap();
}

#[test]
fn no_upload_grows_old_while_the_hold_is_stopped() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let (stopped_us, alice) = (now_s().unsigned_abs() * 1_000_000 - 2 * DAY_US, site.alice.did.clone());
    write(&site, move |write| {
        for (id, touched_us) in [(1, stopped_us - DAY_US / 24), (2, stopped_us - 2 * DAY_US)] {
            let id = [id; 16];
            let place = PartPlace::OwnFile { name: "2".into() };
            let part = PartRow { number: 2, size_bytes: 1, etag: "etag".into(), place };
            begin_upload(write, &id, &alice, touched_us)?;
            put_part(write, &id, &part, touched_us)?;
        }
        pds::tables::put_meta(write, "clock_seen_us", &stopped_us.to_string())
    });
    // The stale one goes with the first sweep, and the other would have gone with it.
    let daemon = site.start();
    let left = loop {
        let uploads = site.json_of(&["uploads", "list"]);
        if uploads.as_array().unwrap().len() < 2 {
            break uploads;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(daemon.stop(), Some(0));
}
