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
    /// Whether the session was made by OAuth, in a browser; else it was made with an app password.
    pub by_oauth: bool,
    /// Time when the account's PDS last accepted the session.
    pub proven_at: Datetime,
}

/// A session that has ended here, and whose server is still to be told so: for a day at most.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldEndedSession {
    /// Whether the session was made by OAuth, in a browser; else it was made with an app password.
    pub by_oauth: bool,
    /// Time of its end.
    pub ended_at: Datetime,
}

/// A device, without its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDevice {
    /// The name that the device gave itself.
    pub name: String,
    /// The client address of its request for access, if known.
    pub address: Option<String>,
    /// Time when the device was approved.
    pub created_at: Datetime,
    /// Time of its last sign-in, if there was one.
    pub used_at: Option<Datetime>,
}

/// A browser in which an account is signed in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBrowser {
    /// Time of creation.
    pub created_at: Datetime,
    /// Time when the session expires.
    pub expires_at: Datetime,
}

/// An approved request of a program that has not fetched its device's secret yet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRequest {
    /// The name that the device gave itself.
    pub name: String,
    /// The client address of the request, if known.
    pub address: Option<String>,
    /// Time of the request.
    pub created_at: Datetime,
    /// Time when the request expires.
    pub expires_at: Datetime,
}

/// A sign-in that has begun.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldSignIn {
    /// The authorization server.
    pub server: String,
    /// Time when the sign-in expires.
    pub expires_at: Datetime,
}

/// An open upload.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldUpload {
    /// The upload's id, as in the client's URL.
    pub id: String,
    /// The repository, without its owner.
    pub repository: String,
    /// The hold that gets the blob.
    pub hold: Did,
    /// Bytes received so far.
    pub size_bytes: u64,
    /// Bytes of these that were sent to the hold.
    pub sent_bytes: u64,
    /// Time when the upload last grew.
    pub touched_at: Datetime,
}

/// A repository that was pushed to through this registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRepository {
    /// The name, without the owner.
    pub name: String,
    /// The hold of the last push.
    pub hold: Did,
    /// Time of the last push.
    pub pushed_at: Datetime,
}

/// A referrer that was pushed through this registry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldReferrer {
    /// The manifest that it refers to.
    pub subject: Digest,
    /// The descriptor in lists of referrers.
    #[serde(flatten)]
    pub referrer: Referrer,
    /// Time of the push.
    pub pushed_at: Datetime,
}

/// A notice of a manifest that a hold has not taken yet.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldNotice {
    /// The repository, without its owner.
    pub repository: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The hold.
    pub hold: Did,
}

/// A manifest that a hold did not take although its push was acknowledged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRefusal {
    /// The repository, without its owner.
    pub repository: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The hold.
    pub hold: Did,
    /// What it said, or why it was not told.
    pub problem: String,
    /// When that was.
    pub refused_at: Datetime,
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldWebhook {
    /// The repository, without its owner.
    pub repository: String,
    /// The URL of the receiver.
    pub url: String,
    /// Time of creation.
    pub created_at: Datetime,
    /// Whether the webhook is switched on.
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

/// All data that is stored of an account, without secrets. The account's images, stars and pages are records in its own
/// repository.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// Sessions at the account's PDS.
    pub sessions: Vec<HeldSession>,
    /// Sessions whose servers are still to be told of their end.
    #[serde(default)]
    pub ended_sessions: Vec<HeldEndedSession>,
    /// Devices that act for the account.
    pub devices: Vec<HeldDevice>,
    /// Browsers in which the account is signed in.
    pub browsers: Vec<HeldBrowser>,
    /// Approved requests of programs that have not fetched their secrets yet.
    pub requests: Vec<HeldRequest>,
    /// Sign-ins that have begun.
    pub sign_ins: Vec<HeldSignIn>,
    /// Open uploads.
    pub uploads: Vec<HeldUpload>,
    /// Notices of manifests that holds have not taken yet.
    pub notices: Vec<HeldNotice>,
    /// Manifests that holds did not take in the last 30 days although their push was acknowledged.
    #[serde(default)]
    pub refused: Vec<HeldRefusal>,
    /// Webhooks of the account's repositories.
    #[serde(default)]
    pub webhooks: Vec<HeldWebhook>,
    /// Repositories that were pushed to through this registry.
    pub repositories: Vec<HeldRepository>,
    /// Referrers that were pushed through this registry.
    pub referrers: Vec<HeldReferrer>,
    /// Holds that have it in their crew, as they say.
    #[serde(default)]
    pub crew_of: Vec<Did>,
    /// What searches go by, if they know the account.
    pub index: Option<IndexedAccount>,
}

/// What was deleted of an account.
pub struct Forgotten {
    /// The data.
    pub held: Held,
    /// How its sessions ended.
    pub ended: Vec<SessionEnd>,
}

impl Web {
    /// Returns the data that is stored of an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, account: &Did) -> Result<Held, StorageError> {
        let at = Datetime::from_micros;
        let sessions = self.sessions.of_account(account).await?.into_iter();
        let sessions = sessions.map(|row| HeldSession { by_oauth: row.by_oauth, proven_at: at(row.proven_us) });
        let ended = self.sessions.ended_of(account).await?.into_iter();
        let ended = ended.map(|row| HeldEndedSession { by_oauth: row.by_oauth, ended_at: at(row.ended_us) });
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
            ended_sessions: ended.collect(),
            devices: devices.collect(),
            browsers: browsers.collect(),
            requests: self.held_requests(account).await?,
            sign_ins: self.held_sign_ins(account).await?,
            uploads: self.held_uploads(account).await?,
            notices: notices.collect(),
            refused: self.held_refusals(account).await?,
            webhooks: self.held_webhooks(account).await?,
            repositories: self.held_repositories(account).await?,
            referrers: self.held_referrers(account).await?,
            crew_of: self.index.holds_of(account, usize::MAX).await?,
            index: self.index.of_account(account).await?,
        })
    }

    async fn held_refusals(&self, account: &Did) -> Result<Vec<HeldRefusal>, StorageError> {
        let refused = self.images.refused_of(account).await?.into_iter().map(|row| HeldRefusal {
            repository: row.repository,
            manifest: row.manifest,
            hold: row.hold.did().clone(),
            problem: row.problem,
            refused_at: Datetime::from_micros(row.refused_us),
        });
        Ok(refused.collect())
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
        let begun =
            begun.map(|row| HeldSignIn { server: row.issuer, expires_at: Datetime::from_micros(row.expires_us) });
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
        let referrers = referrers.map(|row| HeldReferrer {
            subject: row.subject,
            referrer: row.referrer,
            pushed_at: Datetime::from_micros(row.pushed_us),
        });
        Ok(referrers.collect())
    }

    /// Deletes the data that is stored of an account, also in the search index, and ends its sessions at its PDS.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn forget(&self, account: &Did) -> Result<Forgotten, AccountsError> {
        let held = self.held(account).await?;
        // First, so that nobody can sign in to the account while the rest is deleted.
        self.sign_ins.forget(account).await?;
        self.devices.forget(account).await?;
        self.browsers.forget(account).await?;
        self.webhooks.forget(account).await?;
        // Before the sessions end: aborting at the hold needs one.
        self.uploads.abandon_all(account).await?;
        let ended = self.sessions.end_all(account).await?;
        // After the sessions: a push that is under way stores nothing more without one.
        self.images.forget(account).await?;
        self.catalog.forget_pushes(account).await?;
        self.index.forget(account).await?;
        Ok(Forgotten { held, ended })
    }

    /// Returns the number of browsers in which each account is signed in.
    ///
    /// # Errors
    /// As [`Web::held`].
    pub async fn browsers_by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.browsers.by_account().await
    }
}
