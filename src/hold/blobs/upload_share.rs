//! The sharing of the number of open uploads: an account that takes many leaves some to others, and to the captain.

use super::UploadLimits;
use crate::blobs::tables::OpenUploads;
use server::bulkhead::has_share;

server::label! {
    /// The limit that refuses an upload.
    pub enum UploadLimit {
        /// The account's own uploads.
        Account = "account",
        /// The uploads of all accounts.
        Total = "total",
        /// The account's quota: of uploads, their parts and completions.
        Quota = "quota",
    }
}

impl UploadLimit {
    /// Returns the reason for the operator's log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Account => "the account has as many open as limits.uploads_per_account allows",
            Self::Quota => "the account has as much as its tier allows",
            Self::Total => "too few places of limits.uploads_total are free for one more of this account",
        }
    }
}

/// The places that an upload may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadShare {
    /// The places of all accounts.
    Common,
    /// The places of all accounts, and the last sixteenth, which is reserved for the captain.
    Reserved,
}

impl UploadShare {
    /// Returns the limit that refuses one more upload to an account when `open` ones are there; `None` when it may begin:
    /// [`has_share`] divides the common ones.
    pub(super) fn refusal(self, open: OpenUploads, limits: &UploadLimits) -> Option<UploadLimit> {
        let OpenUploads { own, all } = open;
        let common = limits.uploads_total - limits.uploads_total / 16;
        let is_full = match self {
            Self::Common => !has_share(own, all, common),
            Self::Reserved => all >= limits.uploads_total,
        };
        if own >= limits.uploads_per_account {
            return Some(UploadLimit::Account);
        }
        is_full.then_some(UploadLimit::Total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of uploads that each of `accounts` begins when all take as many as they get, and how many
    /// more may be open.
    fn hoarded(accounts: usize, limits: &UploadLimits) -> (Vec<u64>, u64) {
        let mut own = vec![0; accounts];
        loop {
            let before = own.clone();
            for account in 0..accounts {
                let all = own.iter().sum();
                if UploadShare::Common.refusal(OpenUploads { own: own[account], all }, limits).is_none() {
                    own[account] += 1;
                }
            }
            if own == before {
                let all: u64 = own.iter().sum();
                return (own, limits.uploads_total - all);
            }
        }
    }

    #[test]
    fn whoever_comes_after_many_that_take_all_they_get_may_begin() {
        let limits = UploadLimits::default();
        assert_eq!(hoarded(1, &limits), (vec![64], 960));
        for accounts in [16, 18, 100, 400] {
            let (own, free) = hoarded(accounts, &limits);
            let all = limits.uploads_total - free;
            assert!(own.iter().all(|own| *own > 0), "{accounts} accounts: {own:?}");
            assert_eq!(UploadShare::Common.refusal(OpenUploads { own: 0, all }, &limits), None, "{accounts} accounts");
            assert_eq!(
                UploadShare::Reserved.refusal(OpenUploads { own: 0, all }, &limits),
                None,
                "{accounts} accounts"
            );
        }
    }

    #[test]
    fn the_last_sixteenth_is_for_the_reserved_share_alone() {
        let limits = UploadLimits::default();
        assert_eq!(UploadShare::Common.refusal(OpenUploads { own: 0, all: 959 }, &limits), None);
        assert_eq!(UploadShare::Common.refusal(OpenUploads { own: 0, all: 960 }, &limits), Some(UploadLimit::Total));
        assert_eq!(UploadShare::Reserved.refusal(OpenUploads { own: 63, all: 1023 }, &limits), None);
        assert_eq!(UploadShare::Reserved.refusal(OpenUploads { own: 0, all: 1024 }, &limits), Some(UploadLimit::Total));
        assert_eq!(
            UploadShare::Reserved.refusal(OpenUploads { own: 64, all: 64 }, &limits),
            Some(UploadLimit::Account)
        );
    }
}
