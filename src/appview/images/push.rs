//! Pushes: a manifest is checked, its bytes and records are written to its owner's repository, and the hold is
//! notified.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::record_locks::{IndexesGuard, ManifestGuard, TagGuard};
use super::{Images, ImagesError, ParsedManifest};
use crate::catalog::PushedRepository;
use crate::gate::PushPermit;
use crate::holds::{HoldsError, Verb};
use crate::names::Reference;
use crate::repos::{Replacement, ReposError, manifest_key};
use crate::webhooks::PushedImage;
use atproto::lexicon::nsid;
use atproto::lexicon::{NotifyManifest, TagRecord};
use atproto::syntax::{AtUri, Datetime, Did, Digest, HoldId, ImageName, Tag};
use server::egress::without_deadline;
use server::identity::Account;

/// Number of blobs or manifests that are looked up at once.
const AT_ONCE: usize = 8;
/// Number of attempts to write a record that another program changes meanwhile.
const SWAPS: usize = 5;
/// Number of attempts to undo a push, and the pause after the first one.
const UNDO_TRIES: u32 = 3;
const UNDO_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause that a PDS gets which asks for one: the client waits meanwhile.
const LONGEST_UNDO_PAUSE: Duration = Duration::from_secs(10);

/// A push whose blobs are at the hold. It holds the locks of the records that it writes.
struct Push<'p> {
    images: &'p Images,
    permit: &'p PushPermit,
    owner: &'p Account,
    hold: &'p HoldId,
    manifest: &'p ParsedManifest,
    tag: Option<&'p Tag>,
    _manifest_guard: ManifestGuard,
    _tag_guard: Option<TagGuard>,
}

/// What a push wrote.
struct Written {
    manifest: Replacement,
    tag: Option<Replacement>,
}

impl Images {
    /// Stores a manifest. The push is acknowledged only when its blobs are at the hold, its records in the owner's
    /// repository, and the hold is notified, or the notice is in the queue.
    ///
    /// # Errors
    /// [`ImagesError`]
    pub async fn push(
        &self,
        permit: &PushPermit,
        owner: &Account,
        reference: &Reference,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        let tag = match reference {
            Reference::Digest(digest) if *digest != manifest.digest => {
                return Err(ImagesError::OtherDigest(manifest.digest));
            }
            Reference::Digest(_) => None,
            Reference::Tag(tag) => Some(tag),
        };
        manifest.check_record()?;
        self.check_queue(&owner.did).await?;
        let (login, repository) = (permit.login(), &permit.repository().name);
        let hold = self.holds.of_account(owner).await?;
        self.holds.join(&hold, login).await?;
        let indexes_guard = match manifest.children().next() {
            Some(_) => Some(self.locks.indexes(&owner.did).await),
            None => None,
        };
        self.check(permit, owner, &hold, manifest).await?;
        let _manifest_guard = self.locks.manifest(&owner.did, &manifest.digest).await;
        let _tag_guard = match tag {
            Some(tag) => Some(self.locks.tag(&owner.did, repository, tag).await),
            None => None,
        };
        let push = Push { images: self, permit, owner, hold: &hold, manifest, tag, _manifest_guard, _tag_guard };
        let left = push.store(indexes_guard).await?;
        if let Some(left) = left.filter(|left| *left != manifest.digest) {
            self.remove_untagged(login, owner, &left).await;
        }
        if manifest.subject.is_none() {
            let (account, name) = (owner.did.clone(), repository.clone());
            let pushed = PushedRepository { account, name, hold, pushed_us: (self.clock)() };
            self.catalog.pushed(login, pushed).await?;
        }
        Ok(())
    }

    /// Checks that all blobs and manifests that the manifest names are there.
    async fn check(
        &self,
        permit: &PushPermit,
        owner: &Account,
        hold: &HoldId,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        let blobs = manifest.blobs().map(|digest| async move {
            match self.holds.locate(hold, &digest, Verb::Head, Some(permit.login())).await? {
                Some(_) => Ok(()),
                None => Err(ImagesError::Missing(digest)),
            }
        });
        stream::iter(blobs.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let children = manifest.children().map(|digest| async move {
            match self.repos.manifest(owner, &digest).await? {
                Some(_) => Ok(()),
                None => Err(ImagesError::Missing(digest)),
            }
        });
        stream::iter(children.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }
}

impl Push<'_> {
    /// Uploads the manifest, writes the records and notifies the hold. Returns where the tag led before.
    async fn store(self, indexes_guard: Option<IndexesGuard>) -> Result<Option<Digest>, ImagesError> {
        let Self { images, permit, owner, hold, manifest, .. } = self;
        let login = permit.login();
        // A blob without a record is removed by the PDS, so a push that fails here needs no notice.
        let blob = images.repos.upload_blob(login, &manifest.media_type, &manifest.bytes).await?;
        // The notice is stored before the records, so that the hold is notified even after a crash at any later point.
        let notice = self.notice();
        let pending = images.enqueue(login, hold, &notice).await?;
        let written = self.write_records(pending, blob).await?;
        drop(indexes_guard);
        match images.deliver(pending, login, hold, &notice).await {
            Ok(()) => {}
            // The account's quota is exceeded, or the blobs are gone: the push fails.
            Err(error @ HoldsError::Refused { .. }) => {
                without_deadline(self.undo(&written)).await;
                return Err(error.into());
            }
            // The queue repeats the notice.
            Err(error) => tracing::warn!(manifest = %manifest.digest, "a hold is not told of a manifest yet: {error}"),
        }
        self.announce().await?;
        images.remember_blobs(owner, manifest.blobs(), hold);
        images.remember_referrer(login, manifest).await?;
        Ok(written.tag.and_then(|tag| tag.before.tagged(&owner.did)))
    }

    fn notice(&self) -> NotifyManifest {
        NotifyManifest {
            repository: self.permit.repository().name.to_string(),
            user_did: self.owner.did.clone(),
            manifest_digest: self.manifest.digest.to_string(),
            manifest: self.manifest.info(),
            tag: self.tag.map(ToString::to_string),
            operation: Some("push".into()),
        }
    }

    /// Queues the event for the webhooks of the repository: for tagged images, not for manifests attached to them.
    async fn announce(&self) -> Result<(), ImagesError> {
        let Self { permit, manifest, .. } = *self;
        let Some(tag) = self.tag.filter(|tag| manifest.subject.is_none() && tag.attached_to().is_none()) else {
            return Ok(());
        };
        let image = PushedImage {
            tag: tag.to_string(),
            image: format!("{}:{tag}", permit.repository().as_str()),
            digest: manifest.digest.to_string(),
            media_type: manifest.media_type.clone(),
            size: manifest.bytes.len() as u64,
            artifact_type: manifest.artifact_type(),
            platforms: manifest.platforms(),
            pushed_by: permit.login().account.clone(),
        };
        Ok(self.images.webhooks.pushed(self.owner, &permit.repository().name, image).await?)
    }

    /// Writes the record of the manifest, then that of the tag: each refers to what is there. If the PDS refuses the
    /// tag, the change of the manifest is undone. The notice `pending` is removed if no record is left.
    async fn write_records(&self, pending: i64, blob: Value) -> Result<Written, ImagesError> {
        let (leaves_nothing, error) = match self.write_manifest(blob).await {
            Err(error) => (error.wrote_nothing(), error),
            Ok(manifest) => match self.write_tag().await {
                Ok(tag) => return Ok(Written { manifest, tag }),
                Err(error) if !error.wrote_nothing() => (false, error),
                Err(error) => (self.undo_manifest(&manifest).await.is_ok(), error),
            },
        };
        if leaves_nothing {
            self.images.drop_notice(pending).await?;
        }
        Err(error)
    }

    /// Writes the record of the manifest, whose bytes were uploaded as `blob`.
    async fn write_manifest(&self, blob: Value) -> Result<Replacement, ImagesError> {
        let (repos, login) = (&self.images.repos, self.permit.login());
        let now = Datetime::from_micros((self.images.clock)());
        let key = manifest_key(&self.manifest.digest);
        let mut record = self.manifest.record();
        record.insert("$type".into(), json!(nsid::MANIFEST.as_str()));
        record.insert("holdDid".into(), json!(self.hold.did()));
        record.insert("manifestBlob".into(), blob);
        for _ in 0..SWAPS {
            let before = repos.record(self.owner, nsid::MANIFEST, &key).await?;
            let known = |field: &str| before.value.as_ref().and_then(|record| record.get(field)).cloned();
            // A record that exists keeps its repository and time: the same push again makes no commit.
            let repository = known("repository").unwrap_or_else(|| json!(self.permit.repository().name));
            record.insert("repository".into(), repository);
            record.insert("createdAt".into(), known("createdAt").unwrap_or_else(|| json!(now)));
            match repos.put(login, nsid::MANIFEST, &key, Value::Object(record.clone()), &before).await {
                Err(ReposError::Changed) => {}
                after => return Ok(Replacement { before, after: after? }),
            }
        }
        Err(ReposError::Changed.into())
    }

    /// Writes the record of the tag, if the push has one.
    async fn write_tag(&self) -> Result<Option<Replacement>, ImagesError> {
        let Some(tag) = self.tag else { return Ok(None) };
        let (repos, repository) = (&self.images.repos, &self.permit.repository().name);
        let now = Datetime::from_micros((self.images.clock)());
        let key = TagRecord::key_of(repository, tag);
        let record = tag_record(&self.owner.did, repository, tag, &self.manifest.digest, now);
        for _ in 0..SWAPS {
            let before = repos.record(self.owner, nsid::TAG, &key).await?;
            if let Some(other) = before.value.as_ref().and_then(|found| other_image(found, repository, tag)) {
                return Err(ImagesError::TagTaken(other));
            }
            match repos.put(self.permit.login(), nsid::TAG, &key, record.clone(), &before).await {
                Err(ReposError::Changed) => {}
                after => return Ok(Some(Replacement { before, after: after? })),
            }
        }
        Err(ReposError::Changed.into())
    }

    /// Undoes the writes of a push that the hold refused: the tag first, so that none points to a missing manifest. What
    /// the PDS does not undo stays; the client is told of the refusal all the same, for another push would not help.
    async fn undo(&self, written: &Written) {
        let mut attempt = 1;
        loop {
            let undone = async {
                self.undo_tag(written.tag.as_ref()).await?;
                self.undo_manifest(&written.manifest).await
            };
            match undone.await {
                Ok(()) => return,
                Err(error) if attempt < UNDO_TRIES => {
                    let asked = error.retry_after().unwrap_or_default().min(LONGEST_UNDO_PAUSE);
                    tokio::time::sleep((UNDO_PAUSE * attempt).max(asked)).await;
                }
                Err(error) => {
                    let (did, digest) = (&self.permit.login().account, &self.manifest.digest);
                    tracing::warn!(%did, manifest = %digest, "a push that its hold refused is not undone: {error}");
                    return;
                }
            }
            attempt += 1;
        }
    }

    async fn undo_tag(&self, replacement: Option<&Replacement>) -> Result<(), ReposError> {
        let (Some(tag), Some(replacement)) = (self.tag, replacement) else { return Ok(()) };
        let key = TagRecord::key_of(&self.permit.repository().name, tag);
        self.images.repos.restore(self.permit.login(), nsid::TAG, &key, replacement).await
    }

    async fn undo_manifest(&self, replacement: &Replacement) -> Result<(), ReposError> {
        let key = manifest_key(&self.manifest.digest);
        let restored = self.images.repos.restore(self.permit.login(), nsid::MANIFEST, &key, replacement).await;
        self.images.scans.forget(&self.owner.did);
        restored
    }
}

fn tag_record(account: &Did, repository: &ImageName, tag: &Tag, digest: &Digest, now: Datetime) -> Value {
    let manifest = AtUri::record(account, &nsid::MANIFEST.into(), &manifest_key(digest));
    let tagged = TagRecord {
        repository: repository.to_string(),
        tag: tag.to_string(),
        manifest: Some(manifest.to_string()),
        manifest_digest: None,
        updated_at: Some(now.clone()),
        created_at: Some(now),
    };
    let mut record = json!(tagged);
    record["$type"] = nsid::TAG.as_str().into();
    record
}

/// Returns the image of a tag's record if it is another one: `a_b:c` and `a:b_c` have the same key.
fn other_image(record: &Value, repository: &ImageName, tag: &Tag) -> Option<String> {
    let text = |field: &str| record.get(field).and_then(Value::as_str);
    let (other, other_tag) = (text("repository")?, text("tag")?);
    let is_same = other == repository.as_str() && other_tag == tag.as_str();
    let key = TagRecord::key_of(&ImageName::parse(other).ok()?, &Tag::parse(other_tag).ok()?);
    (!is_same && key == TagRecord::key_of(repository, tag)).then(|| format!("{other}:{other_tag}"))
}
