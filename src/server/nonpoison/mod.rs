//! Locks that a panic does not poison, named as those that the standard library has for later.
//!
//! A thread that panics while it holds a lock may leave half of a change behind. The locks of this project may be taken
//! all the same: they are held for a few statements over one value, and these call nothing of a caller's that might
//! panic between two changes which belong together. What must not be half done, such as a commit, is a transaction of
//! the database, or a hash, whose digest is compared. The panic itself is logged and counted; without this every later
//! request would fail at the same lock until the next restart.

use std::sync::{LockResult, PoisonError};

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// As [`std::sync::Mutex`], without poison.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A lock of `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        taken(self.0.lock())
    }
}

/// As [`std::sync::RwLock`], without poison.
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// A lock of `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        taken(self.0.read())
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        taken(self.0.write())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place")]
fn taken<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_panic_leaves_the_lock_and_what_was_changed() {
        let (mutex, rwlock) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(1)));
        let (of_mutex, of_rwlock) = (Arc::clone(&mutex), Arc::clone(&rwlock));
        let panicked = thread::spawn(move || {
            *of_rwlock.write() = 2;
            let mut held = of_mutex.lock();
            let _written = of_rwlock.write();
            *held = 2;
            panic!("while both locks are held");
        });
        panicked.join().unwrap_err();
        assert_eq!((*mutex.lock(), *rwlock.read()), (2, 2));
        *rwlock.write() = 3;
        assert_eq!(*rwlock.read(), 3);
    }
}
