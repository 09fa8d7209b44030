//! What a reload may change of how requests are answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::names::Owner;

/// Who may push, and whether pulls pass through here.
pub struct Policy {
    allowed_accounts: RwLock<Arc<[Owner]>>,
    proxy_blobs: AtomicBool,
}

impl Policy {
    /// With `allowed_accounts` empty, whoever their hold lets may push.
    #[must_use]
    pub fn new(allowed_accounts: &[Owner], proxy_blobs: bool) -> Self {
        Self { allowed_accounts: RwLock::new(allowed_accounts.into()), proxy_blobs: proxy_blobs.into() }
    }

    /// Changes it, from the next request on.
    pub fn set(&self, allowed_accounts: &[Owner], proxy_blobs: bool) {
        *self.allowed_accounts.write().unwrap_or_else(PoisonError::into_inner) = allowed_accounts.into();
        self.proxy_blobs.store(proxy_blobs, Ordering::Relaxed);
    }

    /// Returns who may push; empty: whoever their hold lets.
    #[must_use]
    pub fn allowed_accounts(&self) -> Arc<[Owner]> {
        Arc::clone(&self.allowed_accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether pulls pass through here.
    #[must_use]
    pub fn proxies_blobs(&self) -> bool {
        self.proxy_blobs.load(Ordering::Relaxed)
    }
}
