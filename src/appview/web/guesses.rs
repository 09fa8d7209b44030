//! Limits of wrong user codes of devices: a few are typing mistakes, more are an attack.

use tokio::time::Instant;

use super::counts::{Count, Counts};
use atproto::syntax::Did;
use server::bulkhead::Caller;
use server::nonpoison::{Mutex, MutexGuard};

/// Most wrong codes of an account. There are 2^34 codes, of which a few wait.
const MAX_WRONG: u32 = 10;
/// Most wrong codes from one network by all accounts: accounts cost nothing.
const MAX_WRONG_OF_NETWORK: u32 = 50;

/// Number of wrong codes of each account and network, from the last one on.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Counts>);

/// A look-up of a code. It counts as a wrong one from its beginning, so that concurrent look-ups do not exceed the
/// limit.
pub(super) struct Guess<'g> {
    guesses: &'g Guesses,
    of: [Caller; 2],
}

impl Guesses {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock()
    }

    /// Begins a look-up of a code by `account` from `network`.
    ///
    /// # Errors
    /// The number of seconds until another look-up is allowed.
    pub(super) fn begin(&self, account: &Did, network: Caller) -> Result<Guess<'_>, u64> {
        let (of, now) = ([Caller::Account(account.clone()), network], Instant::now());
        let mut counts = self.counts();
        for (caller, max) in of.iter().zip([MAX_WRONG, MAX_WRONG_OF_NETWORK]) {
            counts.require_less(caller, max, now)?;
        }
        for caller in &of {
            let number = counts.of(caller, now).number + 1;
            counts.put(caller.clone(), Count { number, since: now });
        }
        drop(counts);
        Ok(Guess { guesses: self, of })
    }
}

impl Guess<'_> {
    /// Takes back the count of this look-up: the code was right.
    pub(super) fn was_right(self) {
        let (mut counts, now) = (self.guesses.counts(), Instant::now());
        for caller in self.of {
            let Count { number, since } = counts.of(&caller, now);
            counts.put(caller, Count { number: number.saturating_sub(1), since });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, Guesses, MAX_WRONG, MAX_WRONG_OF_NETWORK};
    use atproto::syntax::Did;

    fn account(number: u32) -> Did {
        Did::parse(&format!("did:web:a{number}.example")).unwrap()
    }

    fn network(number: u8) -> Caller {
        Caller::Network([10, 0, 0, number].into())
    }

    #[test]
    fn an_account_guesses_ten_times() {
        let guesses = Guesses::default();
        for number in 0..u8::try_from(MAX_WRONG).unwrap() {
            guesses.begin(&account(1), network(number)).unwrap_or_else(|_| panic!("{number}")).was_right();
            guesses.begin(&account(1), network(number)).unwrap_or_else(|_| panic!("{number}"));
        }
        let wait_s = guesses.begin(&account(1), network(200)).err().unwrap();
        assert!((890..=901).contains(&wait_s), "{wait_s} s");
        assert!(guesses.begin(&account(2), network(1)).is_ok(), "another account goes on");
    }

    #[test]
    fn a_network_guesses_fifty_times_with_however_many_accounts() {
        let guesses = Guesses::default();
        for number in 0..MAX_WRONG_OF_NETWORK {
            guesses.begin(&account(number), network(1)).unwrap_or_else(|_| panic!("{number}"));
        }
        assert!(guesses.begin(&account(1000), network(1)).is_err());
        assert!(guesses.begin(&account(1000), network(2)).is_ok(), "the same account elsewhere goes on");
    }

    #[test]
    fn guesses_at_once_count_before_any_has_been_answered() {
        let guesses = Guesses::default();
        let under_way: Vec<_> = (0..100).filter_map(|_| guesses.begin(&account(1), network(1)).ok()).collect();
        assert_eq!(under_way.len(), MAX_WRONG as usize);
        under_way.into_iter().for_each(super::Guess::was_right);
        assert!(guesses.begin(&account(1), network(1)).is_ok());
    }
}
