//! Locks by name: a caller waits only for others that lock the same name.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::nonpoison::{Mutex, MutexGuard};

type Map<K> = HashMap<K, Arc<AsyncMutex<()>>>;

/// One lock for each name that is held or waited for; cheap to clone.
pub struct Locks<K>(Arc<Mutex<Map<K>>>);

/// Holds the lock of one name until it is dropped.
pub struct LockGuard<K: Hash + Eq> {
    locks: Locks<K>,
    name: K,
    held: Option<OwnedMutexGuard<()>>,
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for Locks<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> Locks<K> {
    /// Waits for the lock of `name`.
    pub async fn lock(&self, name: &K) -> LockGuard<K> {
        let (mut guard, lock) = self.named(name);
        guard.held = Some(lock.lock_owned().await);
        guard
    }

    /// Takes the lock of `name`; `None` when it is held.
    #[must_use]
    pub fn try_lock(&self, name: &K) -> Option<LockGuard<K>> {
        let (mut guard, lock) = self.named(name);
        guard.held = Some(lock.try_lock_owned().ok()?);
        Some(guard)
    }

    /// Returns the lock of `name`, and a guard that does not hold it yet: a wait that is cancelled removes the name,
    /// too.
    fn named(&self, name: &K) -> (LockGuard<K>, Arc<AsyncMutex<()>>) {
        let guard = LockGuard { locks: self.clone(), name: name.clone(), held: None };
        let lock = Arc::clone(self.map().entry(name.clone()).or_default());
        (guard, lock)
    }
}

impl<K> Locks<K> {
    fn map(&self) -> MutexGuard<'_, Map<K>> {
        self.0.lock()
    }
}

impl<K: Hash + Eq> LockGuard<K> {
    /// Returns the name that is locked.
    #[must_use]
    pub fn name(&self) -> &K {
        &self.name
    }
}

impl<K: Hash + Eq> Drop for LockGuard<K> {
    fn drop(&mut self) {
        self.held = None;
        let mut map = self.locks.map();
        // The map's own reference is the last one: nobody waits for this lock.
        if map.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            map.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_name_is_held_by_one_and_forgotten_after_the_last() {
        let locks = Locks::default();
        let first = locks.lock(&"a").await;
        assert!(locks.lock(&"b").now_or_never().is_some(), "another name waits for nobody");
        let mut waits = Box::pin(locks.lock(&"a"));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(first);
        let second = waits.await;
        assert!(locks.lock(&"a").now_or_never().is_none(), "a wait that is given up leaves it to its holder");
        assert_eq!(locks.map().len(), 1);
        assert!(locks.try_lock(&"a").is_none() && locks.map().len() == 1);
        drop(second);
        assert!(locks.try_lock(&"a").is_some());
        assert!(locks.map().is_empty());
    }
}
