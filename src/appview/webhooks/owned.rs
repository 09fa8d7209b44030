//! Operations of owners on their webhooks. `find`, `of_account` and `delete` find webhooks of the given account only;
//! before `switch_on` and `switch_off`, which take an id alone, an owner's webhook must be looked up by `find`.

use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::time::{Instant, timeout, timeout_at};

use super::address;
use super::event::{Payload, PushedImage, WebhookEvent};
use super::{Delivery, WebhookTotals, Webhooks, WebhooksError};
use crate::webhooks::tables::deliveries::{self, NewEvent};
use crate::webhooks::tables::{self, Bounds, ListedWebhook, NewRow, Webhook};
use atproto::syntax::{Datetime, Did, ImageName, micros};
use server::identity::Account;
use server::sqlite::Read;
use server::storage::StorageError;

/// Most webhooks of one repository.
const PER_REPOSITORY: u64 = 10;
/// Longest wait of a test for the end of its delivery.
const TEST_TIME: Duration = Duration::from_secs(15);
/// Time limit for the look-up of a new URL's host.
const LOOK_UP_TIME: Duration = Duration::from_secs(5);
/// Length of a secret that the owner chose.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// Time for which ended deliveries are kept.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

impl Webhook {
    /// Returns the host of the URL: the part that others than the owner may see.
    #[must_use]
    pub fn host(&self) -> String {
        address::host(&self.url)
    }
}

/// A webhook that was just added.
pub struct NewWebhook {
    /// The webhook's id.
    pub id: i64,
    /// The secret that signs its deliveries: shown once.
    pub secret: String,
}

impl Webhooks {
    /// Queues a push event for the webhooks of a repository. It is on disk when this returns.
    ///
    /// # Errors
    /// When the database fails, or the system has no random numbers.
    pub async fn pushed(
        &self,
        owner: &Account,
        repository: &ImageName,
        image: PushedImage,
    ) -> Result<(), StorageError> {
        let (account, name) = (owner.did.clone(), repository.clone());
        // Most repositories have no webhook: this read spares them a write to the disk.
        let (of, named) = (account.clone(), name.clone());
        let is_wanted = move |read: &Read<'_>| tables::is_wanted(read, &of, &named);
        if !self.is_on() || !self.database.read(is_wanted).await? {
            return Ok(());
        }
        let event = self.event(WebhookEvent::Push, owner, repository, Some(image))?;
        let queued = self.database.write(move |write| deliveries::queue(write, &account, &name, &event)).await?;
        if queued > 0 {
            self.due.notify_one();
        }
        Ok(())
    }

    pub(super) fn random(&self) -> Result<[u8; 32], StorageError> {
        (self.settings.random)().ok_or_else(|| StorageError::failed("the system gives no random numbers"))
    }

    /// Makes an event with the current time.
    fn event(
        &self,
        kind: WebhookEvent,
        owner: &Account,
        repository: &ImageName,
        pushed: Option<PushedImage>,
    ) -> Result<NewEvent, StorageError> {
        let (event, queued_us) = (HEXLOWER.encode(&self.random()?[..16]), (self.settings.clock)());
        let pushed =
            pushed.map(|image| PushedImage { image: format!("{}/{}", self.settings.registry, image.image), ..image });
        let payload = Payload {
            id: &event,
            event: kind.as_str(),
            time: Datetime::from_micros(queued_us),
            registry: &self.settings.registry,
            owner: owner.into(),
            repository,
            pushed,
        };
        // Serialization cannot fail: all fields are texts and numbers.
        let payload = serde_json::to_string(&payload).unwrap_or_default();
        Ok(NewEvent { event, kind, payload, queued_us })
    }

    /// Adds a webhook to a repository of this account; without a `secret`, a random one is made. A repetition with the same
    /// secret returns the same webhook.
    ///
    /// # Errors
    /// [`WebhooksError`]
    pub async fn add(
        &self,
        account: &Did,
        repository: &ImageName,
        url: &str,
        secret: Option<&str>,
    ) -> Result<NewWebhook, WebhooksError> {
        if !self.is_on() {
            return Err(WebhooksError::Off);
        }
        let url = address::parse(url, self.settings.test_mode)?;
        let _guard = self.locks.lock(account).await;
        let late = |_| WebhooksError::Address("its name is not looked up in time".into());
        let looked_up = timeout(LOOK_UP_TIME, self.http.look_up(url.as_str())).await.map_err(late)?;
        looked_up.map_err(|error| WebhooksError::Address(error.to_string()))?;
        let secret = match secret {
            Some(secret)
                if SECRET_BYTES.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                secret.to_owned()
            }
            Some(_) => return Err(WebhooksError::Secret),
            None => HEXLOWER.encode(&self.random()?),
        };
        let row = NewRow {
            account: account.clone(),
            repository: repository.clone(),
            url: url.to_string(),
            secret: secret.clone(),
            created_us: (self.settings.clock)(),
        };
        let (per_account, total) = (self.settings.per_account, self.settings.total);
        let bounds = Bounds { per_repository: PER_REPOSITORY, per_account, total };
        let id = self.database.write(move |write| tables::insert(write, &row, bounds)).await?;
        Ok(NewWebhook { id, secret })
    }

    /// Returns the webhook with this id, if it is one of this account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, account: &Did, id: i64) -> Result<Option<Webhook>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::find(read, &account, id)).await
    }

    /// Returns the webhooks of an account, ordered by repository and URL.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn of_account(&self, account: &Did) -> Result<Vec<Webhook>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Returns the webhooks of all accounts, the oldest first, 1,000 at most.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn all(&self) -> Result<Vec<ListedWebhook>, StorageError> {
        self.database.read(tables::all).await
    }

    /// Returns the number of webhooks of each account.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// Returns the kept deliveries of a webhook, the newest first.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn deliveries(&self, webhook: &Webhook) -> Result<Vec<Delivery>, StorageError> {
        let id = webhook.id;
        self.database.read(move |read| deliveries::log(read, id)).await
    }

    /// Switches a webhook on, and clears its record of failures.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn switch_on(&self, id: i64) -> Result<(), StorageError> {
        self.database.write(move |write| tables::switch_on(write, id)).await
    }

    /// Switches a webhook off and gives up its waiting deliveries. `reason` is `None` when the owner does it. Returns
    /// whether the webhook was on.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn switch_off(&self, id: i64, reason: Option<&'static str>) -> Result<bool, StorageError> {
        self.database.write(move |write| tables::switch_off(write, id, reason)).await
    }

    /// Deletes a webhook of this account, with its deliveries. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn delete(&self, account: &Did, id: i64) -> Result<bool, StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::delete(write, &account, id)).await
    }

    /// Deletes all webhooks of an account.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::delete_of(write, &account)).await
    }

    /// Sends a ping and waits a while for its result. `None` when a test of this account is under way or a ping of this
    /// webhook waits.
    ///
    /// # Errors
    /// [`WebhooksError`]
    pub async fn test(&self, owner: &Account, webhook: &Webhook) -> Result<Option<Delivery>, WebhooksError> {
        let Some(_guard) = self.locks.try_lock(&webhook.account) else { return Ok(None) };
        let (event, of) = (self.event(WebhookEvent::Ping, owner, &webhook.repository, None)?, webhook.id);
        let queued = self.database.write(move |write| deliveries::queue_one(write, of, &event)).await?;
        let Some(id) = queued else { return Ok(None) };
        self.due.notify_one();
        let deadline = Instant::now() + TEST_TIME;
        loop {
            let ended = self.ended.notified();
            let found = self.deliveries(webhook).await?.into_iter().find(|delivery| delivery.id == id);
            let waits = found.as_ref().is_some_and(|delivery| delivery.due_us.is_some());
            if !waits || timeout_at(deadline, ended).await.is_err() {
                return Ok(found);
            }
        }
    }

    /// Queues a delivery that ended once more. Returns whether there is such a delivery.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn deliver_again(&self, webhook: &Webhook, id: i64) -> Result<bool, StorageError> {
        let (of, now_us) = (webhook.id, (self.settings.clock)());
        let found = self.database.write(move |write| deliveries::again(write, of, id, now_us)).await?;
        self.due.notify_one();
        Ok(found)
    }

    /// Returns the totals of the webhooks and of the waiting deliveries.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn totals(&self) -> Result<WebhookTotals, StorageError> {
        self.database.read(tables::totals).await
    }

    /// Deletes ended deliveries that are older than 30 days.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn sweep(&self) -> Result<(), StorageError> {
        let before_us = (self.settings.clock)().saturating_sub(micros(KEPT_FOR));
        self.database.write(move |write| deliveries::sweep(write, before_us)).await
    }
}
