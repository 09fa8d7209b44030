//! Uploads and reads while the way to a real S3 server is full of faults.
//!
//! A [`proxy`] stands before the server, also for clients that have a URL of the store. A [`run`] lets many clients
//! make [`journey`]s until enough has gone wrong, and then asks the server itself for the [`truth`]: nothing is lost
//! that was acknowledged, and nothing is visible that is not what its digest says.
//!
//! How much is to go wrong on each server: `ATCR_HOLD_FAULTS`; which faults it is follows from `ATCR_HOLD_SEED`.

mod copies;
mod fault;
mod journey;
mod message;
mod proxy;
mod read;
mod run;
mod truth;

use std::io::Write as _;

use run::{Run, Way};

use super::dice::Dice;
use crate::objects::buckets_here;

/// Half of them for either way: seconds.
const FAULTS: u64 = 160;

#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
fn wanted() -> u64 {
    let given = std::env::var("ATCR_HOLD_FAULTS").ok();
    given.map_or(FAULTS, |faults| faults.parse().expect("ATCR_HOLD_FAULTS is a number")) / 2
}

fn go_through(way: Way) {
    let mut dice = Dice::of_this_run();
    for bucket in buckets_here() {
        let run = Run::start(&bucket, way, wanted(), &mut dice);
        let faults = run.finish(&bucket.name, dice.split());
        assert!(faults >= wanted());
    }
    let _ = std::io::stderr().flush();
}

#[test]
fn presigned_uploads_are_right_or_refused_whatever_goes_wrong() {
    go_through(Way::Presigned);
}

#[test]
fn uploads_through_the_hold_are_right_or_refused_whatever_goes_wrong() {
    go_through(Way::ThroughHold);
}
