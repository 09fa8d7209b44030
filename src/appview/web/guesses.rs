//! Codes of devices that somebody guessed at: a few wrong ones are typing mistakes, more are an attack.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use atproto::syntax::Did;

/// Wrong codes of an account in [`WINDOW`]. There are 2^34 codes, of which a few wait.
const MAX_WRONG: u32 = 10;
const WINDOW: Duration = Duration::from_mins(15);
/// Accounts remembered, at some 200 bytes.
const MAX_ACCOUNTS: usize = 4096;

/// Counts wrong codes.
pub(super) struct Guesses(Cache<Did, (u32, Instant)>);

impl Guesses {
    pub(super) fn new() -> Self {
        Self(Cache::new(MAX_ACCOUNTS))
    }

    /// How many there were, and how long they still count.
    fn wrong(&self, account: &Did) -> (u32, Duration) {
        let Some((count, at)) = self.0.get(account) else { return (0, WINDOW) };
        let left = WINDOW.saturating_sub(at.elapsed());
        if left.is_zero() { (0, WINDOW) } else { (count, left) }
    }

    /// Whether an account may look for another code.
    ///
    /// # Errors
    /// The seconds until it may.
    pub(super) fn may_look(&self, account: &Did) -> Result<(), u64> {
        let (count, left) = self.wrong(account);
        if count < MAX_WRONG { Ok(()) } else { Err(left.as_secs() + 1) }
    }

    /// Notes a wrong one.
    pub(super) fn note(&self, account: &Did) {
        self.0.insert(account.clone(), (self.wrong(account).0 + 1, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::{Guesses, MAX_WRONG};
    use atproto::syntax::Did;

    #[test]
    fn an_account_guesses_ten_times() {
        let (guesses, account) = (Guesses::new(), Did::parse("did:plc:ewvi7nxzyoun6zhxrhs64oiz").unwrap());
        for _ in 0..MAX_WRONG {
            assert_eq!(guesses.may_look(&account), Ok(()));
            guesses.note(&account);
        }
        let wait_s = guesses.may_look(&account).unwrap_err();
        assert!((890..=901).contains(&wait_s), "{wait_s} s");
        assert_eq!(guesses.may_look(&Did::parse("did:web:other.example").unwrap()), Ok(()));
    }
}
