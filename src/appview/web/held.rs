//! What this registry holds of an account, beside its own repository.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::Web;
use crate::accounts::{AccountsError, SessionEnd};
use crate::images::Referrer;
use crate::index::IndexedAccount;
use crate::webhooks::Delivery;
use atproto::syntax::{Datetime, Did, Digest};
use server::storage::StorageError;

/// A session at the account's PDS, without its tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSession {
    /// Whether it was made in a browser, by OAuth; else by an app password.
    pub by_oauth: bool,
    /// When the account's PDS last said that it is good.
    pub proven_at: Datetime,
}

/// A device, without its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDevice {
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that was known.
    pub address: Option<String>,
    /// When it was let in.
    pub created_at: Datetime,
    /// When it signed in last, if it did.
    pub used_at: Option<Datetime>,
}

/// A browser in which an account is signed in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBrowser {
    /// Since when.
    pub created_at: Datetime,
    /// Until when.
    pub expires_at: Datetime,
}

/// A program that was let in and is to be told its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRequest {
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that is known.
    pub address: Option<String>,
    /// When.
    pub created_at: Datetime,
    /// Until when it may become a device.
    pub expires_at: Datetime,
}

/// A sign-in that was begun.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSignIn {
    /// At which server.
    pub server: String,
    /// Until when it may end.
    pub expires_at: Datetime,
}

/// An upload that is open.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldUpload {
    /// Its name, as it stands in the client's URL.
    pub id: String,
    /// The repository, without its owner.
    pub repository: String,
    /// Where its bytes go.
    pub hold: Did,
    /// Bytes that are there.
    pub size_bytes: u64,
    /// Bytes that the hold has, of these.
    pub sent_bytes: u64,
    /// When it last grew.
    pub touched_at: Datetime,
}

/// A repository that was pushed to through this registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRepository {
    /// Its name, without its owner.
    pub name: String,
    /// The hold of the last push.
    pub hold: Did,
    /// When that was.
    pub pushed_at: Datetime,
}

/// A manifest that says something of another one, and was pushed through this registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldReferrer {
    /// Of which one.
    pub subject: Digest,
    /// What is answered of it.
    #[serde(flatten)]
    pub referrer: Referrer,
    /// When it was pushed.
    pub pushed_at: Datetime,
}

/// A manifest that a hold is still to be told of.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldNotice {
    /// The repository, without its owner.
    pub repository: String,
    /// The digest.
    pub manifest: String,
    /// The hold.
    pub hold: Did,
}

/// Whom a repository tells of pushes, without the secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldWebhook {
    /// The repository, without its owner.
    pub repository: String,
    /// Where.
    pub url: String,
    /// Since when.
    pub created_at: Datetime,
    /// Whether anything is delivered.
    pub is_on: bool,
    /// What it was told of late, the newest first.
    #[serde(default)]
    pub deliveries: Vec<HeldDelivery>,
}

/// A delivery to a webhook.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDelivery {
    /// What its receiver knows it by.
    pub id: String,
    /// What it tells of: `push` or `ping`.
    pub event: String,
    /// The tag that was pushed; empty for other events.
    pub tag: String,
    /// When that was.
    pub queued_at: Datetime,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub tried_at: Option<Datetime>,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed.
    pub problem: Option<String>,
}

impl From<Delivery> for HeldDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.event,
            event: delivery.kind.as_str().to_owned(),
            tag: delivery.tag,
            queued_at: Datetime::from_micros(delivery.queued_us),
            attempts: delivery.attempts,
            tried_at: delivery.tried_us.map(Datetime::from_micros),
            status: delivery.status,
            problem: delivery.problem,
        }
    }
}

/// What is held of an account, without what is secret. Its images, stars and pages are records in its own repository.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Sessions at its PDS.
    pub sessions: Vec<HeldSession>,
    /// Devices that act for it.
    pub devices: Vec<HeldDevice>,
    /// Browsers in which it is signed in.
    pub browsers: Vec<HeldBrowser>,
    /// Programs that were let in and are to be told their secrets.
    pub requests: Vec<HeldRequest>,
    /// Sign-ins that were begun.
    pub sign_ins: Vec<HeldSignIn>,
    /// Uploads that are open.
    pub uploads: Vec<HeldUpload>,
    /// Manifests that holds are still to be told of.
    pub notices: Vec<HeldNotice>,
    /// Whom its repositories tell of pushes.
    #[serde(default)]
    pub webhooks: Vec<HeldWebhook>,
    /// Repositories that were pushed to through this registry.
    pub repositories: Vec<HeldRepository>,
    /// Manifests that say something of others, and were pushed through this registry.
    pub referrers: Vec<HeldReferrer>,
    /// Holds that have it in their crew, as they say.
    #[serde(default)]
    pub crew_of: Vec<Did>,
    /// What searches go by, if they know the account.
    pub index: Option<IndexedAccount>,
}

impl Web {
    /// Returns what is held of an account.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn held(&self, account: &Did) -> Result<Held, StorageError> {
        let at = Datetime::from_micros;
        let sessions = self.sessions.list().await?.into_iter().filter(|session| session.account == *account);
        let sessions = sessions.map(|row| HeldSession { by_oauth: row.by_oauth, proven_at: at(row.proven_us) });
        let devices = self.devices.of_account(account).await?.into_iter().map(|device| HeldDevice {
            name: device.name,
            address: device.address,
            created_at: at(device.created_us),
            used_at: (device.used_us > 0).then(|| at(device.used_us)),
        });
        let browsers = self.browsers.of_account(account).await?.into_iter();
        let browsers =
            browsers.map(|row| HeldBrowser { created_at: at(row.created_us), expires_at: at(row.expires_us) });
        let notices = self.images.waiting_of(account).await?.into_iter().map(|notice| HeldNotice {
            repository: notice.repository,
            manifest: notice.manifest,
            hold: notice.hold.did().clone(),
        });
        Ok(Held {
            sessions: sessions.collect(),
            devices: devices.collect(),
            browsers: browsers.collect(),
            requests: self.held_requests(account).await?,
            sign_ins: self.held_sign_ins(account).await?,
            uploads: self.held_uploads(account).await?,
            notices: notices.collect(),
            webhooks: self.held_webhooks(account).await?,
            repositories: self.held_repositories(account).await?,
            referrers: self.held_referrers(account).await?,
            crew_of: self.index.holds_of(account, usize::MAX).await?,
            index: self.index.of_account(account).await?,
        })
    }

    async fn held_webhooks(&self, account: &Did) -> Result<Vec<HeldWebhook>, StorageError> {
        let mut held = Vec::new();
        for webhook in self.webhooks.of_account(account).await? {
            let deliveries = self.webhooks.deliveries(&webhook).await?;
            held.push(HeldWebhook {
                repository: webhook.repository.to_string(),
                url: webhook.url,
                created_at: Datetime::from_micros(webhook.created_us),
                is_on: webhook.is_on,
                deliveries: deliveries.into_iter().map(HeldDelivery::from).collect(),
            });
        }
        Ok(held)
    }

    async fn held_requests(&self, account: &Did) -> Result<Vec<HeldRequest>, StorageError> {
        let requests = self.devices.let_in_by(account).await?.into_iter().map(|row| HeldRequest {
            name: row.name,
            address: row.address,
            created_at: Datetime::from_micros(row.created_us),
            expires_at: Datetime::from_micros(row.expires_us),
        });
        Ok(requests.collect())
    }

    async fn held_sign_ins(&self, account: &Did) -> Result<Vec<HeldSignIn>, StorageError> {
        let begun = self.sign_ins.of_account(account).await?.into_iter();
        let begun = begun.map(|(server, us)| HeldSignIn { server, expires_at: Datetime::from_micros(us) });
        Ok(begun.collect())
    }

    async fn held_uploads(&self, account: &Did) -> Result<Vec<HeldUpload>, StorageError> {
        let uploads = self.uploads.of_account(account).await?.into_iter().map(|row| HeldUpload {
            id: HEXLOWER.encode(&row.id),
            repository: row.repository,
            hold: row.hold.did().clone(),
            size_bytes: row.offset,
            sent_bytes: row.sent,
            touched_at: Datetime::from_micros(row.touched_us),
        });
        Ok(uploads.collect())
    }

    async fn held_repositories(&self, account: &Did) -> Result<Vec<HeldRepository>, StorageError> {
        let repositories = self.catalog.pushed_of(account).await?.into_iter().map(|row| HeldRepository {
            name: row.name.as_str().to_owned(),
            hold: row.hold.did().clone(),
            pushed_at: Datetime::from_micros(row.pushed_us),
        });
        Ok(repositories.collect())
    }

    async fn held_referrers(&self, account: &Did) -> Result<Vec<HeldReferrer>, StorageError> {
        let referrers = self.images.referrers_of(account).await?.into_iter();
        let referrers = referrers.map(|(subject, referrer, pushed_us)| HeldReferrer {
            subject,
            referrer,
            pushed_at: Datetime::from_micros(pushed_us),
        });
        Ok(referrers.collect())
    }

    /// Deletes what is held of an account, and what is known of it for searches; its sessions at its PDS end. Returns what there
    /// was, and how the sessions ended.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn forget(&self, account: &Did) -> Result<(Held, Vec<SessionEnd>), AccountsError> {
        let held = self.held(account).await?;
        // Nobody signs in as it any more before the rest goes.
        self.sign_ins.forget(account).await?;
        self.devices.forget(account).await?;
        self.browsers.forget(account).await?;
        self.webhooks.forget(account).await?;
        // At the hold, too, which takes the session.
        self.uploads.abandon_all(account).await?;
        self.images.forget(account).await?;
        let ended = self.sessions.end_all(account).await?;
        self.catalog.forget_pushes(account).await?;
        self.index.forget(account).await?;
        Ok((held, ended))
    }

    /// Returns in how many browsers each account is signed in.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn browsers_by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.browsers.by_account().await
    }
}
