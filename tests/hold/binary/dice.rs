//! Numbers that look random, and are the same for the same seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// From the variable `ATCR_HOLD_SEED`, else another seed in every run; a test that fails shows it.
    #[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "the seed is drawn again, and shown")]
    pub(super) fn of_this_run() -> Self {
        let given = std::env::var("ATCR_HOLD_SEED").ok().map(|seed| seed.parse().expect("ATCR_HOLD_SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        eprintln!("ATCR_HOLD_SEED={seed}");
        Self(seed)
    }

    /// From 0 to `limit` - 1, which is below 2^31.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Others, for somebody who throws at the same time.
    pub(super) fn split(&mut self) -> Self {
        Self(self.below(1 << 31) << 31 | self.below(1 << 31))
    }
}
