//! The shares of slots that callers hold for long, without a queue: whoever takes all it gets leaves some to others.

/// Whether a caller with `own` of the `taken` slots gets one more of `slots`: while it has no more than are free.
///
/// So a single caller gets at most half of them, n callers 1/(n + 1) each, and about as many stay free for the next: of
/// 960, 16 callers have 56 or 57 each, and 55 are free.
#[must_use]
pub fn has_share(own: u64, taken: u64, slots: u64) -> bool {
    taken < slots && own <= slots - taken
}

#[cfg(test)]
mod tests {
    use super::has_share;

    /// Returns the slots that each of `callers` has when all of them, round robin, take as many as they get.
    fn taken_round_robin(callers: usize, slots: u64) -> Vec<u64> {
        let mut own = vec![0; callers];
        loop {
            let before = own.clone();
            for caller in 0..callers {
                if has_share(own[caller], own.iter().sum(), slots) {
                    own[caller] += 1;
                }
            }
            if own == before {
                return own;
            }
        }
    }

    #[test]
    fn whoever_comes_after_many_that_take_all_they_get_has_a_share() {
        assert_eq!(taken_round_robin(1, 32), [17]);
        assert_eq!(taken_round_robin(16, 960), [[57; 9].as_slice(), &[56; 7]].concat());
        for callers in [1, 2, 16, 400] {
            let taken: u64 = taken_round_robin(callers, 960).iter().sum();
            assert!(has_share(0, taken, 960), "{callers} callers have {taken}");
        }
    }

    #[test]
    fn no_place_is_given_twice() {
        assert!(has_share(0, 31, 32) && !has_share(0, 32, 32) && !has_share(0, 33, 32));
    }
}
