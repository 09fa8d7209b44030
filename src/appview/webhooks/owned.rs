//! What owners do with their webhooks. Nobody else's is ever found: each statement has the account in it.

use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::time::{Instant, timeout, timeout_at};

use super::address;
use super::event::{Payload, PushedImage, WebhookEvent};
use super::{Delivery, DeliveryTotals, Webhooks, WebhooksError};
use crate::webhooks::tables::deliveries::{self, NewEvent};
use crate::webhooks::tables::{self, Bounds, NewRow};
use atproto::syntax::{Datetime, Did, ImageName};
use server::identity::Account;
use server::sqlite::Read;
use server::storage::StorageError;

/// Webhooks of one repository.
const PER_REPOSITORY: u64 = 10;
/// How long somebody waits for the end of a test.
const TEST_TIME: Duration = Duration::from_secs(15);
/// How long the look-up of a new address's host may take.
const LOOK_UP_TIME: Duration = Duration::from_secs(5);
/// What a secret that somebody brings may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// Deliveries are remembered for so long.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// A webhook, without its secret.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// Whose repository.
    pub account: Did,
    /// Which one.
    pub repository: ImageName,
    /// Where it is told.
    pub url: String,
    /// Since when, microseconds since 1970.
    pub created_us: u64,
    /// Whether anything is delivered.
    pub is_on: bool,
    /// Why the registry switched it off.
    pub problem: Option<String>,
    /// Since when no delivery succeeds, microseconds since 1970.
    pub failing_us: Option<u64>,
}

impl Webhook {
    /// The host of its address: what others than its owner may see.
    #[must_use]
    pub fn host(&self) -> String {
        address::host(&self.url)
    }
}

/// A webhook that was just added.
pub struct NewWebhook {
    /// Its number.
    pub id: i64,
    /// What its deliveries are signed with: shown once.
    pub secret: String,
}

impl Webhooks {
    /// Queues what was pushed for the webhooks of its repository. It is on disk when this returns.
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
        // Most repositories have none: reading costs no write to the disk.
        let (of, named) = (account.clone(), name.clone());
        let is_wanted = move |read: &Read<'_>| tables::is_wanted(read, &of, &named);
        if !self.is_on() || !self.database.read(is_wanted).await? {
            return Ok(());
        }
        let event = self.event(WebhookEvent::Push, owner, repository, Some(image))?;
        let queued = self.database.write(move |write| deliveries::queue(write, (&account, &name), &event)).await?;
        if queued > 0 {
            self.due.notify_one();
        }
        Ok(())
    }

    pub(super) fn random(&self) -> Result<[u8; 32], StorageError> {
        (self.settings.random)().ok_or_else(|| StorageError::failed("the system gives no random numbers"))
    }

    /// Makes an event of now.
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
        // Its fields are texts and numbers, which is all that could fail.
        let payload = serde_json::to_string(&payload).unwrap_or_default();
        Ok(NewEvent { event, kind, payload, queued_us })
    }

    /// Adds a webhook to a repository of this account; without a secret one is made.
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
        let _turn = self.turns.lock(account).await;
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

    /// A webhook of this account.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn find(&self, account: &Did, id: i64) -> Result<Option<Webhook>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::find(read, &account, id)).await
    }

    /// The webhooks of an account, by their repositories.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn of_account(&self, account: &Did) -> Result<Vec<Webhook>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Webhooks of all accounts, 1,000 at most, each with how many deliveries wait.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn all(&self) -> Result<Vec<(Webhook, u64)>, StorageError> {
        self.database.read(tables::all).await
    }

    /// Returns how many webhooks each account has.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// The deliveries of a webhook, the newest first.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn deliveries(&self, webhook: &Webhook) -> Result<Vec<Delivery>, StorageError> {
        let id = webhook.id;
        self.database.read(move |read| deliveries::log(read, id)).await
    }

    /// Switches a webhook on. What failed before counts no more.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn switch_on(&self, id: i64) -> Result<(), StorageError> {
        self.database.write(move |write| tables::switch_on(write, id)).await
    }

    /// Switches a webhook off, for a reason if it is not its owner; what waits is given up. Returns whether it was on.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn switch_off(&self, id: i64, reason: Option<&'static str>) -> Result<bool, StorageError> {
        self.database.write(move |write| tables::switch_off(write, id, reason)).await
    }

    /// Deletes a webhook of this account, with its deliveries.
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

    /// Sends a ping, and waits a while for what comes of it. `None` when one of this account is under way already.
    ///
    /// # Errors
    /// [`WebhooksError`]
    pub async fn test(&self, owner: &Account, webhook: &Webhook) -> Result<Option<Delivery>, WebhooksError> {
        let Some(_turn) = self.turns.try_lock(&webhook.account) else { return Ok(None) };
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

    /// Delivers once more what waits no longer. Returns whether there is such a delivery.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn deliver_again(&self, webhook: &Webhook, id: i64) -> Result<bool, StorageError> {
        let (of, now_us) = (webhook.id, (self.settings.clock)());
        let found = self.database.write(move |write| deliveries::again(write, of, id, now_us)).await?;
        self.due.notify_one();
        Ok(found)
    }

    /// Returns how many webhooks there are, and what waits.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn totals(&self) -> Result<(u64, DeliveryTotals), StorageError> {
        self.database.read(|read| Ok((tables::totals(read)?, deliveries::totals(read)?))).await
    }

    /// Forgets deliveries of long ago.
    ///
    /// # Errors
    /// As [`Webhooks::find`].
    pub async fn sweep(&self) -> Result<(), StorageError> {
        let before_us = (self.settings.clock)().saturating_sub(super::attempt::micros(KEPT_FOR));
        self.database.write(move |write| deliveries::sweep(write, before_us)).await
    }
}
