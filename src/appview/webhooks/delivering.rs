//! The delivery loop: limits of concurrent attempts, and the handling of their results.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;

use super::attempt::next_us;
use super::{Attempt, DeliveryOutcome, WebhookEvent, Webhooks, address, tables};
use crate::webhooks::tables::WebhookState;
use crate::webhooks::tables::deliveries::{self, DueRow, WaitingAt};
use atproto::syntax::micros;
use server::sqlite::Write;
use server::storage::StorageError;

/// Concurrent attempts; each takes 11 s at most.
const AT_ONCE: usize = 32;
/// Concurrent attempts of one account.
const PER_ACCOUNT: usize = 4;
/// Concurrent attempts to one host.
const PER_HOST: usize = 2;
/// Longest wait when nothing is due.
const IDLE: Duration = Duration::from_mins(1);
/// Wait after a failure of the database.
const AFTER_FAULT: Duration = Duration::from_secs(30);
/// Time after which a webhook is switched off if all its deliveries failed.
const SWITCHED_OFF_AFTER: Duration = Duration::from_hours(3 * 24);
const SILENT: &str = "no delivery succeeded for three days";
const GONE: &str = "its receiver says that it is gone for good (410)";

/// The attempts under way: their webhooks, and their numbers by account and by host.
#[derive(Default)]
struct AttemptSlots {
    webhooks: HashSet<i64>,
    accounts: HashMap<String, usize>,
    hosts: HashMap<String, usize>,
}

/// The slot of one attempt in [`AttemptSlots`].
struct AttemptSlot {
    webhook: i64,
    account: String,
    host: String,
}

impl AttemptSlots {
    /// Takes a slot for a webhook; `None` if an attempt at it is under way, or a limit is reached.
    fn take(&mut self, waiting: WaitingAt) -> Option<AttemptSlot> {
        let host = address::host(&waiting.url);
        let count = |of: &HashMap<String, usize>, name: &str| of.get(name).copied().unwrap_or_default();
        let is_full = self.webhooks.len() >= AT_ONCE
            || count(&self.accounts, &waiting.account) >= PER_ACCOUNT
            || count(&self.hosts, &host) >= PER_HOST;
        if is_full || !self.webhooks.insert(waiting.webhook) {
            return None;
        }
        *self.accounts.entry(waiting.account.clone()).or_default() += 1;
        *self.hosts.entry(host.clone()).or_default() += 1;
        Some(AttemptSlot { webhook: waiting.webhook, account: waiting.account, host })
    }

    fn free(&mut self, slot: &AttemptSlot) {
        self.webhooks.remove(&slot.webhook);
        for (of, name) in [(&mut self.accounts, &slot.account), (&mut self.hosts, &slot.host)] {
            if let Some(count) = of.get_mut(name) {
                *count -= 1;
            }
            of.retain(|_, count| *count > 0);
        }
    }
}

impl Webhooks {
    /// Delivers what is due, until the process ends. Returns at once if webhooks are off.
    pub async fn keep_delivering(&self) {
        if !self.is_on() {
            return;
        }
        let (mut under_way, mut slots) = (FuturesUnordered::new(), AttemptSlots::default());
        loop {
            let pause = match self.database.read(deliveries::waiting).await {
                Ok(waiting) => {
                    let (due, pause) = self.due_first(waiting);
                    under_way.extend(due.into_iter().filter_map(|one| slots.take(one)).map(|slot| self.deliver(slot)));
                    pause
                }
                Err(error) => {
                    tracing::warn!(%error, "webhooks cannot be delivered");
                    AFTER_FAULT
                }
            };
            tokio::select! {
                Some(slot) = under_way.next() => slots.free(&slot),
                () = self.due.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Returns the webhooks with a due delivery, the earliest first, and the time until the next one is due.
    fn due_first(&self, waiting: Vec<WaitingAt>) -> (Vec<WaitingAt>, Duration) {
        let now_us = (self.settings.clock)();
        let (mut due, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| one.due_us <= now_us);
        due.sort_by_key(|one| one.due_us);
        let next_us = later.iter().map(|one| one.due_us - now_us).min();
        (due, next_us.map_or(IDLE, |pause_us| Duration::from_micros(pause_us).min(IDLE)))
    }

    /// Attempts the first due delivery of a webhook; returns its slot.
    async fn deliver(&self, slot: AttemptSlot) -> AttemptSlot {
        if let Err(error) = self.try_deliver(&slot).await {
            tracing::warn!(%error, "what became of a webhook's delivery cannot be noted");
            // The delivery is still due, and would be sent again at once.
            tokio::time::sleep(AFTER_FAULT).await;
        }
        self.ended.notify_waiters();
        slot
    }

    async fn try_deliver(&self, slot: &AttemptSlot) -> Result<(), StorageError> {
        let (webhook, now_us) = (slot.webhook, (self.settings.clock)());
        let due = self.database.read(move |read| deliveries::first_due(read, webhook, now_us)).await?;
        let Some(row) = due else { return Ok(()) };
        let attempt = self.attempt(&row).await;
        let (event, host, problem) = (row.event.clone(), &slot.host, attempt.problem.clone());
        let chance = f64::from(self.random()?[0]) / 255.0;
        let noted = self.database.write(move |write| note(write, &row, &attempt, chance)).await?;
        self.outcomes.inc(noted.outcome);
        let problem = problem.unwrap_or_default();
        match noted.outcome {
            DeliveryOutcome::Delivered => tracing::debug!(event, host, "an event was delivered to a webhook"),
            DeliveryOutcome::Failed => tracing::debug!(event, host, "an event is not delivered yet: {problem}"),
            DeliveryOutcome::GivenUp => {
                tracing::info!(did = slot.account, event, host, "an event was not delivered: {problem}");
            }
        }
        if let Some(reason) = noted.switched_off {
            tracing::warn!(did = slot.account, host, "a webhook was switched off: {reason}");
        }
        Ok(())
    }
}

/// The stored result of an attempt: its outcome, and why the webhook was switched off, if it was.
struct Noted {
    outcome: DeliveryOutcome,
    switched_off: Option<&'static str>,
}

/// Stores the result of an attempt: schedules the next one, or switches the webhook off.
fn note(write: &Write<'_>, row: &DueRow, attempt: &Attempt, chance: f64) -> Result<Noted, StorageError> {
    let (is_delivered, is_push) = (attempt.problem.is_none(), row.kind == WebhookEvent::Push);
    // The webhook may have been switched off or deleted meanwhile.
    let WebhookState { is_on, failing_us } = tables::state(write, row.webhook)?.unwrap_or_default();
    let is_gone = attempt.status == Some(StatusCode::GONE.as_u16());
    let is_tried_again = is_on && is_push && !is_delivered && !is_gone;
    let next_us = next_us(row.queued_us, row.attempts + 1, attempt, chance).filter(|_| is_tried_again);
    deliveries::tried(write, row.id, attempt, next_us)?;
    if is_delivered {
        tables::succeeded(write, row.webhook)?;
        return Ok(Noted { outcome: DeliveryOutcome::Delivered, switched_off: None });
    }
    let outcome = if next_us.is_some() { DeliveryOutcome::Failed } else { DeliveryOutcome::GivenUp };
    if !is_push || !is_on {
        return Ok(Noted { outcome, switched_off: None });
    }
    let since_us = failing_us.unwrap_or(attempt.at_us);
    tables::failed(write, row.webhook, since_us, attempt.quiet_until_us())?;
    // The rest would fail as well.
    if let Some(until_us) = next_us.filter(|_| attempt.status.is_none_or(is_of_the_server)) {
        deliveries::put_off(write, row.webhook, until_us)?;
    }
    let is_silent = next_us.is_none() && attempt.at_us.saturating_sub(since_us) >= micros(SWITCHED_OFF_AFTER);
    let reason = if is_gone { Some(GONE) } else { Some(SILENT).filter(|_| is_silent) };
    if let Some(reason) = reason {
        tables::switch_off(write, row.webhook, Some(reason))?;
    }
    Ok(Noted { outcome, switched_off: reason })
}

/// Whether a status means that the receiver accepts no delivery at present, whatever its content.
fn is_of_the_server(status: u16) -> bool {
    status >= 500 || status == StatusCode::TOO_MANY_REQUESTS.as_u16()
}

#[cfg(test)]
mod tests {
    use super::{AttemptSlots, WaitingAt};

    #[test]
    fn one_host_and_one_account_have_a_share_of_the_places() {
        let mut slots = AttemptSlots::default();
        let waiting = |webhook: i64, account: &str, host: &str| WaitingAt {
            webhook,
            account: account.into(),
            url: format!("https://{host}/secret"),
            due_us: 0,
        };
        let taken: Vec<_> =
            (0..9).filter_map(|number| slots.take(waiting(number, "flood", &format!("h{number}")))).collect();
        assert_eq!(taken.len(), 4, "of one account");
        assert!(slots.take(waiting(20, "a", "slow.example")).is_some());
        assert!(slots.take(waiting(20, "a", "slow.example")).is_none(), "one at a time");
        assert!(slots.take(waiting(21, "b", "slow.example")).is_some());
        assert!(slots.take(waiting(22, "c", "slow.example")).is_none(), "of one host");
        assert!(slots.take(waiting(22, "c", "slow.example:8443")).is_some());
        for slot in &taken {
            slots.free(slot);
        }
        let more =
            (100..200).filter_map(|number| slots.take(waiting(number, &format!("a{number}"), &format!("h{number}"))));
        assert_eq!(more.count(), 32 - 3);
    }
}
