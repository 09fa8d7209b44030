//! Garbage is collected every second, with a grace of two, beside accounts that push, push again what they are told is
//! here, pull, give up, and delete all they have.
//!
//! A [`run`] lets many [`member`]s do so for a while, and then asks the hold what it has: from the moment a manifest is
//! acknowledged until its owner deletes it, its blobs are there and right; and in the end nothing is there that has no
//! row, and no row that has nothing.
//!
//! How long: `ATCR_HOLD_SOAK_S`, in seconds. Its dice follow from `ATCR_HOLD_SEED`.

mod member;
mod run;

use std::time::Duration;

use run::Run;

use super::dice::Dice;
use crate::objects::buckets_here;

const LASTS_S: u64 = 20;

#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
fn lasts() -> Duration {
    let given = std::env::var("ATCR_HOLD_SOAK_S").ok();
    Duration::from_secs(given.map_or(LASTS_S, |seconds| seconds.parse().expect("ATCR_HOLD_SOAK_S is a number")))
}

#[test]
fn what_is_named_stays_in_a_directory() {
    Run::start(None).finish(lasts(), Dice::of_this_run());
}

#[test]
fn what_is_named_stays_in_a_bucket() {
    let mut dice = Dice::of_this_run();
    for bucket in buckets_here() {
        Run::start(Some(&bucket)).finish(lasts(), dice.split());
    }
}
