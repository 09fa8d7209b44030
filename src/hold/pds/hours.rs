//! Counts the records and commits that each account adds within an hour.

use std::collections::HashMap;

use super::{GrowthBound, Pds, PdsError, PdsLimits};
use atproto::syntax::Did;
use server::nonpoison::Mutex;

const HOUR_US: u64 = 60 * 60 * 1_000_000;
/// Limit of accounts that are remembered, at about 150 bytes each. Beyond it, the account whose hour began first is
/// forgotten.
const MAX_ACCOUNTS: usize = 10_000;

/// The numbers of records and commits that an account added since its hour began.
#[derive(Clone, Copy, Debug, Default)]
struct Hour {
    began_us: u64,
    records: u64,
    commits: u64,
}

/// The hours of all accounts. They are lost at a restart.
#[derive(Default)]
pub(super) struct Hours(Mutex<HashMap<Did, Hour>>);

impl Hours {
    /// Counts the records and commits that `account` is about to add, or refuses them all.
    fn spend(&self, limits: PdsLimits, account: &Did, records: u64, commits: u64, now_us: u64) -> Result<(), PdsError> {
        let mut hours = self.0.lock();
        // A clock that was set back starts a new hour too.
        let is_over = |hour: &Hour| now_us.checked_sub(hour.began_us).is_none_or(|elapsed_us| elapsed_us >= HOUR_US);
        if !hours.contains_key(account) && hours.len() >= MAX_ACCOUNTS {
            hours.retain(|_, hour| !is_over(hour));
            let oldest = hours.iter().min_by_key(|(_, hour)| hour.began_us).map(|(account, _)| account.clone());
            if let Some(oldest) = oldest.filter(|_| hours.len() >= MAX_ACCOUNTS) {
                hours.remove(&oldest);
            }
        }
        let fresh = Hour { began_us: now_us, ..Hour::default() };
        let hour = hours.entry(account.clone()).or_insert(fresh);
        if is_over(hour) {
            *hour = fresh;
        }
        let passes = |limit: u64, had: u64, more: u64| limit > 0 && more > 0 && had.saturating_add(more) > limit;
        let bound = if passes(limits.records_per_hour, hour.records, records) {
            Some((GrowthBound::RecordsPerHour, limits.records_per_hour))
        } else if passes(limits.commits_per_hour, hour.commits, commits) {
            Some((GrowthBound::CommitsPerHour, limits.commits_per_hour))
        } else {
            None
        };
        if let Some((bound, limit)) = bound {
            let left_us = HOUR_US - now_us.saturating_sub(hour.began_us);
            return Err(PdsError::TooMuchThisHour { bound, limit, retry_s: left_us.div_ceil(1_000_000) });
        }
        hour.records += records;
        hour.commits += commits;
        Ok(())
    }
}

impl Pds {
    /// Counts the records and commits that `account` is about to add, or refuses them all. They stay counted if the
    /// transaction fails. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`PdsError::TooMuchThisHour`].
    pub fn spend(&self, account: &Did, records: u64, commits: u64, now_us: u64) -> Result<(), PdsError> {
        self.inner.hours.spend(self.inner.limits(), account, records, commits, now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PdsLimits = PdsLimits { records_per_hour: 10, commits_per_hour: 3, event_bytes: 0, reserve_bytes: 0 };

    fn account(number: usize) -> Did {
        Did::parse(&format!("did:plc:{number}")).unwrap()
    }

    fn refused(outcome: Result<(), PdsError>) -> (GrowthBound, u64) {
        match outcome {
            Err(PdsError::TooMuchThisHour { bound, retry_s, .. }) => (bound, retry_s),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_account_has_its_records_and_commits_within_each_hour() {
        let hours = Hours::default();
        let spend = |number, records, commits, now_us| hours.spend(LIMITS, &account(number), records, commits, now_us);
        spend(1, 9, 1, 5).unwrap();
        assert_eq!(refused(spend(1, 2, 1, 1_800_000_005)), (GrowthBound::RecordsPerHour, 1800));
        spend(1, 1, 1, HOUR_US).unwrap();
        spend(1, 0, 1, HOUR_US).unwrap();
        assert_eq!(refused(spend(1, 0, 1, HOUR_US)), (GrowthBound::CommitsPerHour, 1));
        spend(1, 0, 0, HOUR_US).unwrap();
        spend(2, 10, 3, HOUR_US).unwrap();
        // The next hour, and a clock that went back.
        spend(1, 10, 3, HOUR_US + 5).unwrap();
        spend(1, 10, 3, 7).unwrap();
        let without = PdsLimits { records_per_hour: 0, commits_per_hour: 0, ..LIMITS };
        hours.spend(without, &account(1), 1000, 1000, 7).unwrap();
    }

    #[test]
    fn accounts_are_forgotten_before_they_fill_memory() {
        let hours = Hours::default();
        for number in 0..MAX_ACCOUNTS + 5 {
            hours.spend(LIMITS, &account(number), 10, 1, number as u64).unwrap();
        }
        assert_eq!(hours.0.lock().len(), MAX_ACCOUNTS);
        let now_us = MAX_ACCOUNTS as u64 + 5;
        refused(hours.spend(LIMITS, &account(MAX_ACCOUNTS), 1, 1, now_us));
        hours.spend(LIMITS, &account(0), 1, 1, now_us).unwrap();
        hours.spend(LIMITS, &account(MAX_ACCOUNTS + 9), 1, 1, 2 * HOUR_US).unwrap();
        assert_eq!(hours.0.lock().len(), 1, "those whose hour is over");
    }
}
