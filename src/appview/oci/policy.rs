//! Settings of the API that a reload may change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::names::Owner;
use server::nonpoison::RwLock;

/// The accounts that may push and delete, and whether pulls of blobs pass through here.
pub struct Policy {
    allowed_accounts: RwLock<Arc<[Owner]>>,
    proxy_blobs: AtomicBool,
}

impl Policy {
    /// Returns a policy. With `allowed_accounts` empty, every account may push that its hold lets.
    #[must_use]
    pub fn new(allowed_accounts: &[Owner], proxy_blobs: bool) -> Self {
        Self { allowed_accounts: RwLock::new(allowed_accounts.into()), proxy_blobs: proxy_blobs.into() }
    }

    /// Changes the policy. `proxy_blobs` applies from the next request on, `allowed_accounts` to tokens that are issued
    /// from now on.
    pub fn set(&self, allowed_accounts: &[Owner], proxy_blobs: bool) {
        *self.allowed_accounts.write() = allowed_accounts.into();
        self.proxy_blobs.store(proxy_blobs, Ordering::Relaxed);
    }

    /// Returns the accounts that may push and delete; empty when every account may that its hold lets.
    #[must_use]
    pub fn allowed_accounts(&self) -> Arc<[Owner]> {
        Arc::clone(&self.allowed_accounts.read())
    }

    /// Whether pulls of blobs pass through here instead of being redirected to the hold.
    #[must_use]
    pub fn proxies_blobs(&self) -> bool {
        self.proxy_blobs.load(Ordering::Relaxed)
    }
}
