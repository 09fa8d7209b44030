//! Limits of password attempts at PDSes. A PDS counts all attempts from this registry against the account, so that an
//! attacker who guesses would lock out the owner as well: strangers get a part of what the PDS allows, and each address
//! a part of that.

use std::collections::HashMap;

use quick_cache::sync::Cache;

use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::metrics::Counter;
use server::nonpoison::Mutex;

const SECOND_US: u64 = 1_000_000;
const SHORT_US: u64 = 5 * 60 * SECOND_US;
const DAY_US: u64 = 24 * 60 * 60 * SECOND_US;

/// Limits of password attempts, in 5 minutes and in a day.
#[derive(Clone, Copy)]
struct Budget {
    within_5_minutes: u64,
    a_day: u64,
}

/// Attempts that a PDS allows for one account: the limit for all callers together.
const ACCOUNT: Budget = Budget { within_5_minutes: 30, a_day: 300 };
/// Share of [`ACCOUNT`] for addresses from which nobody has signed in to the account: half is left to its owner.
const STRANGERS: Budget = Budget { within_5_minutes: 15, a_day: 150 };
/// Attempts of one address, for all accounts together: an office behind one address signs in some dozens of people in
/// the morning.
const ADDRESS: Budget = Budget { within_5_minutes: 60, a_day: 2_000 };
/// Number of budgets that are remembered, at about 200 bytes each. Beyond that, the oldest budget of an address is
/// forgotten.
const MAX_BUDGETS: usize = 8_192;
/// Number of pairs of address and account with a successful sign-in that are remembered, at about 200 bytes each.
const MAX_PROVEN: usize = 8_192;

/// The key of a budget: an account, strangers of an account, an address, or an address for one account.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Holder {
    Account(Did),
    Strangers(Did),
    Address(Caller),
    AddressFor(Caller, Did),
}

/// Attempts counted against one budget.
#[derive(Clone, Copy, Default)]
struct Spent {
    short: Window,
    day: Window,
    /// Whether the log line about the exhausted budget was written in this window.
    told: bool,
}

#[derive(Clone, Copy, Default)]
struct Window {
    began_us: u64,
    count: u64,
}

impl Window {
    /// Begins a new window if this one is over, or if the clock went back. Returns whether it did.
    fn roll(&mut self, length_us: u64, now_us: u64) -> bool {
        let is_over = now_us.checked_sub(self.began_us).is_none_or(|elapsed_us| elapsed_us >= length_us);
        if is_over {
            *self = Self { began_us: now_us, count: 0 };
        }
        is_over
    }

    /// Returns the microseconds until the window ends, if it has reached `most` attempts.
    fn wait_us(&self, length_us: u64, most: u64, now_us: u64) -> Option<u64> {
        (self.count >= most).then(|| (self.began_us + length_us).saturating_sub(now_us))
    }
}

/// Counts of recent password attempts, in memory only: a restart forgets them.
pub(super) struct Attempts {
    /// Budget of one address for one account.
    per_address: Budget,
    spent: Mutex<HashMap<Holder, Spent>>,
    /// Pairs of address and account with a successful sign-in.
    proven: Cache<(Caller, Did), ()>,
    refused: Counter,
}

impl Attempts {
    /// `per_address` limits the attempts of one address at one account within five minutes; ten times as many are
    /// allowed a day.
    pub(super) fn new(per_address: u32) -> Self {
        let within_5_minutes = u64::from(per_address);
        Self {
            per_address: Budget { within_5_minutes, a_day: within_5_minutes * 10 },
            spent: Mutex::default(),
            proven: Cache::new(MAX_PROVEN),
            refused: Counter::new(),
        }
    }

    /// Returns the counter of refused attempts.
    pub(super) fn refused(&self) -> &Counter {
        &self.refused
    }

    /// Notes a successful sign-in to `account` from `caller`.
    pub(super) fn succeeded(&self, account: &Did, caller: &Caller) {
        self.proven.insert((caller.clone(), account.clone()), ());
    }

    /// Counts a password that is about to be sent to the PDS of `account`, or returns the seconds to wait as the error.
    /// `now_us` is in microseconds since 1970.
    pub(super) fn spend(&self, account: &Did, caller: &Caller, now_us: u64) -> Result<(), u64> {
        let mut budgets = self.budgets_of(account, caller);
        budgets.push((Holder::Address(caller.clone()), ADDRESS));
        let mut spent = self.spent.lock();
        let mut wait_us = None;
        for (holder, budget) in &budgets {
            let Some(had) = spent.get_mut(holder) else { continue };
            if had.short.roll(SHORT_US, now_us) | had.day.roll(DAY_US, now_us) {
                had.told = false;
            }
            let short_us = had.short.wait_us(SHORT_US, budget.within_5_minutes, now_us);
            let is_used_up = short_us.max(had.day.wait_us(DAY_US, budget.a_day, now_us));
            if is_used_up.is_some() && !std::mem::replace(&mut had.told, true) {
                tell(holder, caller);
            }
            wait_us = wait_us.max(is_used_up);
        }
        if let Some(wait_us) = wait_us {
            self.refused.inc();
            return Err(wait_us.div_ceil(SECOND_US).max(1));
        }
        for (holder, _) in budgets {
            make_room(&mut spent, now_us);
            let fresh = Window { began_us: now_us, count: 0 };
            let had = spent.entry(holder).or_insert(Spent { short: fresh, day: fresh, told: false });
            had.short.count += 1;
            had.day.count += 1;
        }
        Ok(())
    }

    /// Returns the budgets of `account` that an attempt from `caller` counts against.
    fn budgets_of(&self, account: &Did, caller: &Caller) -> Vec<(Holder, Budget)> {
        let mut budgets = vec![(Holder::Account(account.clone()), ACCOUNT)];
        if self.proven.get(&(caller.clone(), account.clone())).is_none() {
            budgets.push((Holder::Strangers(account.clone()), STRANGERS));
            budgets.push((Holder::AddressFor(caller.clone(), account.clone()), self.per_address));
        }
        budgets
    }

    /// Takes back the attempts of `account` after its PDS could not be reached and saw no password. The budget of the
    /// address for all accounts stays spent.
    pub(super) fn give_back(&self, account: &Did, caller: &Caller) {
        let mut spent = self.spent.lock();
        for (holder, _) in self.budgets_of(account, caller) {
            let Some(had) = spent.get_mut(&holder) else { continue };
            had.short.count = had.short.count.saturating_sub(1);
            had.day.count = had.day.count.saturating_sub(1);
        }
    }
}

/// Logs why sign-ins are refused, once a window.
fn tell(holder: &Holder, caller: &Caller) {
    match holder {
        Holder::Account(did) => {
            tracing::warn!(%did, "sign-ins of an account are refused: its PDS allows no more passwords at present");
        }
        Holder::Strangers(did) => tracing::warn!(
            %did,
            "passwords of an account are guessed from elsewhere: only addresses where it has signed in may go on"
        ),
        Holder::Address(_) | Holder::AddressFor(..) => {
            tracing::warn!(?caller, "an address has shown too many passwords: its sign-ins are refused for a while");
        }
    }
}

/// Forgets budgets whose day is over, and the oldest one of an address if that is not enough.
fn make_room(spent: &mut HashMap<Holder, Spent>, now_us: u64) {
    if spent.len() < MAX_BUDGETS {
        return;
    }
    spent.retain(|_, had| now_us.checked_sub(had.day.began_us).is_some_and(|elapsed_us| elapsed_us < DAY_US));
    let of_address = |holder: &Holder| matches!(holder, Holder::Address(_) | Holder::AddressFor(..));
    let oldest = |(holder, had): &(&Holder, &Spent)| (!of_address(holder), had.short.began_us);
    if spent.len() >= MAX_BUDGETS
        && let Some(holder) = spent.iter().min_by_key(oldest).map(|(holder, _)| holder.clone())
    {
        spent.remove(&holder);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn account(number: u32) -> Did {
        Did::parse(&format!("did:web:a{number}.example.org")).unwrap()
    }

    fn at(number: u32) -> Caller {
        Caller::Network(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn who_guesses_is_told_when_to_come_back() {
        let attempts = Attempts::new(10);
        let guess = |now_s: u64| attempts.spend(&account(1), &at(1), now_s * SECOND_US);
        assert!((0..10).all(|_| guess(1_000).is_ok()));
        assert_eq!(guess(1_100), Err(200));
        assert_eq!(attempts.spend(&account(2), &at(1), 1_100 * SECOND_US), Ok(()), "another account");
        assert_eq!(guess(1_300), Ok(()));
        for window in 2..=10 {
            let tried = (0..12).filter(|_| guess(1_000 + 300 * window).is_ok()).count();
            assert!(tried <= 10);
        }
        assert_eq!(guess(1_000 + 300 * 20), Err(DAY_US / SECOND_US - 300 * 20), "a hundred a day");
    }

    #[test]
    fn what_no_pds_was_shown_counts_for_the_address_alone() {
        let attempts = Attempts::new(10);
        for _ in 0..60 {
            attempts.spend(&account(1), &at(1), 5).unwrap();
            attempts.give_back(&account(1), &at(1));
        }
        assert!(attempts.spend(&account(1), &at(1), 5).is_err(), "the address has had its sixty");
        assert!((0..10).all(|_| attempts.spend(&account(1), &at(2), 5).is_ok()), "the account has all of its own");
        assert!(attempts.spend(&account(1), &at(2), 5).is_err());
    }

    #[test]
    fn strangers_leave_half_of_what_the_pds_allows_to_the_owner() {
        let attempts = Attempts::new(10);
        let owner = at(9_999);
        attempts.spend(&account(1), &owner, 5).unwrap();
        attempts.succeeded(&account(1), &owner);
        let guessed = (0..1_000).filter(|number| attempts.spend(&account(1), &at(*number), 5).is_ok()).count();
        assert_eq!(guessed, 14, "with the owner's first one");
        let allowed = (0..30).filter(|_| attempts.spend(&account(1), &owner, 5).is_ok()).count();
        assert_eq!(allowed, 15);
        assert!(attempts.refused().get() > 900);
    }

    #[test]
    fn one_address_has_a_bound_for_all_accounts_and_memory_has_one_too() {
        let attempts = Attempts::new(10);
        let signed_in = (0..1_000).filter(|number| attempts.spend(&account(*number), &at(1), 5).is_ok()).count();
        assert_eq!(signed_in, 60);
        for number in 0..2_500 {
            attempts.spend(&account(number + 1_000), &at(number + 2), 5).unwrap();
        }
        assert!(attempts.spent.lock().len() <= MAX_BUDGETS);
    }
}
