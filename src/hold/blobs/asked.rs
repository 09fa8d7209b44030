//! Which blobs somebody asked for lately: whoever is told that a blob is here does not upload it, and names it in a
//! manifest some time later. Until then nothing in the database would keep it.
//!
//! What is known here is written down soon after, once in a while for each blob. Who takes blobs away looks here too,
//! so that nothing depends on how soon; only what was asked in the last moment before a crash is forgotten.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{BlobError, Blobs};
use crate::blobs::tables;
use atproto::syntax::Digest;

/// What comes in so much time is written together.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);
/// Blobs that are remembered, at about 80 bytes each; beyond, those that were written down are forgotten.
const REMEMBERED: usize = 16_384;

/// Who asked for what; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Some blobs were judged.
    over: Notify,
}

#[derive(Default)]
struct State {
    /// When each was asked for, in microseconds since 1970, not exactly the last time.
    asked: HashMap<Digest, u64>,
    /// What was not written down yet.
    unwritten: HashMap<Digest, u64>,
    /// Somebody is about to write.
    is_writing: bool,
    /// Blobs of which it is being decided whether they go.
    judged: HashSet<Digest>,
}

/// Blobs of which it is being decided whether they go. Until this is dropped, whoever asks for one of them waits.
pub struct Judging {
    asked: Asked,
    digests: Vec<Digest>,
}

impl Judging {
    /// The blobs.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        let mut state = self.asked.state();
        self.digests.iter().for_each(|digest| _ = state.judged.remove(digest));
        drop(state);
        self.asked.0.over.notify_waiters();
    }
}

impl Asked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn judge(&self, digests: impl IntoIterator<Item = Digest>, before_us: u64) -> Judging {
        let mut state = self.state();
        let is_unused = |digest: &Digest| state.asked.get(digest).is_none_or(|asked_us| *asked_us < before_us);
        let digests: Vec<_> = digests.into_iter().filter(is_unused).collect();
        state.judged.extend(&digests);
        drop(state);
        Judging { asked: self.clone(), digests }
    }

    /// Notes that a blob is asked for, once it is not being judged. Answers whether the caller has to write down what
    /// is known, after a moment.
    async fn note(&self, digest: &Digest, now_us: u64, every: Duration) -> bool {
        loop {
            // Made before the look, so that no word is missed.
            let over = self.0.over.notified();
            if let Some(has_to_write) = self.state().note(digest, now_us, every) {
                return has_to_write;
            }
            over.await;
        }
    }
}

impl State {
    /// `None` while the blob is being judged.
    fn note(&mut self, digest: &Digest, now_us: u64, every: Duration) -> Option<bool> {
        if self.judged.contains(digest) {
            return None;
        }
        let is_known = |asked_us: &u64| now_us.saturating_sub(*asked_us) < micros(every);
        if self.asked.get(digest).is_some_and(is_known) {
            return Some(false);
        }
        if self.asked.len() >= REMEMBERED {
            let unwritten = &self.unwritten;
            self.asked.retain(|digest, _| unwritten.contains_key(digest));
        }
        self.asked.insert(*digest, now_us);
        self.unwritten.insert(*digest, now_us);
        Some(!std::mem::replace(&mut self.is_writing, true))
    }
}

impl Blobs {
    /// Notes that somebody asks for a blob, whether it is there or not. Waits only while it is being judged.
    pub(super) async fn note_asked(&self, digest: &Digest, now_us: u64) {
        if self.digests.asked.note(digest, now_us, self.sessions.limits().asked_every).await {
            let blobs = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(WRITTEN_AFTER).await;
                if let Err(error) = blobs.write_asked().await {
                    tracing::warn!(%error, "which blobs were asked for could not be written down");
                }
            });
        }
    }

    /// Writes down which blobs were asked for: soon after by itself, and before the process ends.
    ///
    /// # Errors
    /// When the database fails. Until the process ends it is known all the same, and written down another time.
    pub async fn write_asked(&self) -> Result<(), BlobError> {
        let (unwritten, every_us) = {
            let mut state = self.digests.asked.state();
            state.is_writing = false;
            (state.unwritten.clone(), micros(self.sessions.limits().asked_every))
        };
        if unwritten.is_empty() {
            return Ok(());
        }
        let rows = unwritten.clone();
        let write = self.sessions.db.write(move |write| {
            let mut rows = rows.iter();
            rows.try_for_each(|(digest, asked_us)| tables::put_asked(write, digest, *asked_us, every_us))
                .map_err(BlobError::from)
        });
        write.await?;
        let mut state = self.digests.asked.state();
        state.unwritten.retain(|digest, asked_us| unwritten.get(digest) != Some(asked_us));
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(1);
    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    #[tokio::test]
    async fn what_was_asked_for_is_not_judged_and_what_is_judged_is_waited_for() {
        let asked = Asked::default();
        assert!(asked.note(&DIGEST, 5_000_000, EVERY).await);
        assert!(!asked.note(&DIGEST, 5_900_000, EVERY).await, "it is known");
        assert!(asked.judge([DIGEST], 5_000_000).digests().is_empty());
        let judging = asked.judge([DIGEST], 5_000_001);
        assert_eq!(judging.digests(), [DIGEST]);
        let waiting = tokio::spawn({
            let asked = asked.clone();
            async move { asked.note(&DIGEST, 9_000_000, EVERY).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(judging);
        waiting.await.unwrap();
        assert!(asked.judge([DIGEST], 9_000_000).digests().is_empty());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded_unless_it_was_not_written() {
        let asked = Asked::default();
        let digest = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Digest::from_bytes(bytes)
        };
        asked.note(&DIGEST, 1, EVERY).await;
        for number in 0..3 * REMEMBERED as u64 {
            asked.note(&digest(number), 1, EVERY).await;
            asked.state().unwritten.retain(|digest, _| *digest == DIGEST);
        }
        assert!(asked.state().asked.len() <= REMEMBERED);
        assert!(asked.judge([DIGEST], 1).digests().is_empty());
    }
}
