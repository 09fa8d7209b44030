//! The owner's handle: resolved when the page is requested, which does not wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atproto::syntax::{Did, Handle};
use server::identity::{Pool, ResolveError, Resolver};
use server::nonpoison::Mutex;

/// Time that a verified handle is shown before its domain is asked again.
const PROVEN: Duration = Duration::from_hours(1);
/// Time that a verified handle is shown while its domain does not answer.
const STALE: Duration = Duration::from_hours(24);
/// Pause after a look-up without a verified handle.
const REST: Duration = Duration::from_mins(1);

pub(super) struct OwnerHandle {
    resolver: Resolver,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    owner: Option<Did>,
    proven: Option<(Handle, Instant)>,
    /// Time when the last look-up began or ended.
    asked: Option<Instant>,
    /// Whether the last look-up found that there is no such DID.
    is_absent: bool,
}

impl Known {
    fn is_due(&self, now: Instant) -> bool {
        let within = |limit: Duration, at: Instant| now.saturating_duration_since(at) < limit;
        let proven = self.proven.as_ref().is_some_and(|(_, at)| within(PROVEN, *at));
        !proven && !self.asked.is_some_and(|at| within(REST, at))
    }

    fn learn(&mut self, answer: Result<Option<Handle>, ResolveError>, now: Instant) {
        self.asked = Some(now);
        match answer {
            Ok(handle) => self.proven = handle.map(|handle| (handle, now)),
            Err(_) => _ = self.proven.take_if(|(_, at)| now.saturating_duration_since(*at) >= STALE),
        }
    }
}

impl OwnerHandle {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver, known: Arc::default() }
    }

    /// Returns the verified handle of `owner`, if it is known. Starts a look-up where one is due.
    pub(super) fn of(&self, owner: &Did) -> Option<Handle> {
        let mut known = self.known.lock();
        if known.owner.as_ref() != Some(owner) {
            *known = Known { owner: Some(owner.clone()), ..Known::default() };
        }
        let now = Instant::now();
        if known.is_due(now) {
            // A look-up ends before the pause is over, so there is one at a time.
            known.asked = Some(now);
            tokio::spawn(look_up(self.resolver.clone(), owner.clone(), Arc::clone(&self.known)));
        }
        known.proven.as_ref().map(|(handle, _)| handle.clone())
    }
}

async fn look_up(resolver: Resolver, owner: Did, known: Arc<Mutex<Known>>) {
    let answer = resolver.proven_handle(&owner, Pool::Members).await;
    let mut known = known.lock();
    if known.owner.as_ref() == Some(&owner) {
        let was_absent = std::mem::replace(&mut known.is_absent, matches!(answer, Err(ResolveError::NotFound)));
        if known.is_absent && !was_absent {
            tracing::warn!(did = %owner, "the owner has no DID document, so that nobody is captain; correct owner (HOLD_OWNER)");
        }
        known.learn(answer, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Known, PROVEN, REST, STALE};
    use atproto::syntax::Handle;
    use server::identity::ResolveError;

    #[test]
    fn a_proof_is_renewed_and_outlives_its_source_for_a_day() {
        let (start, alice) = (Instant::now(), Handle::parse("alice.test").unwrap());
        let mut known = Known::default();
        assert!(known.is_due(start));
        known.learn(Err(ResolveError::Unreachable), start);
        assert!(!known.is_due(start) && known.is_due(start + REST));
        known.learn(Ok(Some(alice)), start);
        assert!(!known.is_due(start + REST) && known.is_due(start + PROVEN));
        known.learn(Err(ResolveError::Unreachable), start + PROVEN);
        assert!(known.proven.is_some() && !known.is_due(start + PROVEN));
        known.learn(Err(ResolveError::Unreachable), start + STALE);
        assert!(known.proven.is_none());
        known.learn(Ok(None), start + STALE);
        assert!(known.proven.is_none() && !known.is_due(start + STALE));
    }
}
