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

    fn wrong(&self, account: &Did) -> u32 {
        self.0.get(account).filter(|(_, at)| at.elapsed() < WINDOW).map_or(0, |(count, _)| count)
    }

    /// Whether an account may look for another code.
    pub(super) fn may_look(&self, account: &Did) -> bool {
        self.wrong(account) < MAX_WRONG
    }

    /// Notes a wrong one.
    pub(super) fn note(&self, account: &Did) {
        self.0.insert(account.clone(), (self.wrong(account) + 1, Instant::now()));
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
            assert!(guesses.may_look(&account));
            guesses.note(&account);
        }
        assert!(!guesses.may_look(&account));
        assert!(guesses.may_look(&Did::parse("did:web:other.example").unwrap()));
    }
}
