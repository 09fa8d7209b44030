//! Pushes: a manifest is checked, its bytes and records are written to its owner's repository, and the hold is
//! notified.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::turns::{ManifestTurn, TagTurn};
use super::{Images, ImagesError, ParsedManifest};
use crate::accounts::Login;
use crate::catalog::PushedRepository;
use crate::gate::PushPermit;
use crate::holds::{HoldsError, Verb};
use crate::names::Reference;
use crate::repos::{ReposError, Seen, manifest_key};
use crate::webhooks::PushedImage;
use atproto::lexicon::nsid;
use atproto::lexicon::{NotifyManifest, TagRecord};
use atproto::syntax::{AtUri, Datetime, Did, Digest, ImageName, ServiceUrl, Tag};
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

/// A write of a record: its state before and after.
type Change = (Seen, Seen);

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
        let indexes_turn = match manifest.children().next() {
            Some(_) => Some(self.turns.indexes(&owner.did).await),
            None => None,
        };
        self.check(permit, owner, &hold, manifest).await?;
        let manifest_turn = self.turns.manifest(&owner.did, &manifest.digest).await;
        let tag = match tag {
            Some(tag) => Some((tag, self.turns.tag(&owner.did, repository, tag).await)),
            None => None,
        };
        // A blob without a record is removed by the PDS, so a push that fails here needs no notice.
        let blob = self.repos.upload_blob(login, &manifest.media_type, &manifest.bytes).await?;
        // The notice is stored before the records, so that the hold is notified even after a crash at any later point.
        let notice = NotifyManifest {
            repository: repository.to_string(),
            user_did: owner.did.clone(),
            manifest_digest: manifest.digest.to_string(),
            manifest: manifest.info(),
            tag: tag.as_ref().map(|(tag, _)| tag.to_string()),
            operation: Some("push".into()),
        };
        let pending = self.enqueue(login, &hold, &notice).await?;
        let turns = (&manifest_turn, tag.as_ref());
        let (recorded, tagged) = self.write_records(pending, turns, (permit, owner, &hold), (manifest, blob)).await?;
        drop(indexes_turn);
        let left = tagged.as_ref().and_then(|(before, _)| before.tagged(&owner.did));
        match self.deliver(pending, login, &hold, &notice).await {
            Ok(()) => {}
            // The account's quota is exceeded, or the blobs are gone: the push fails.
            Err(error @ HoldsError::Refused { .. }) => {
                self.undo((&manifest_turn, tag.as_ref()), permit, &manifest.digest, (recorded, tagged)).await;
                return Err(error.into());
            }
            // The queue repeats the notice.
            Err(error) => tracing::warn!(manifest = %manifest.digest, "a hold is not told of a manifest yet: {error}"),
        }
        if let Some((tag, turn)) = &tag {
            self.announce(turn, (permit, owner), tag, manifest).await?;
        }
        self.place(owner, manifest.blobs(), &hold);
        self.remember_referrer(owner, manifest).await?;
        drop((tag, manifest_turn));
        if let Some(left) = left.filter(|left| *left != manifest.digest) {
            self.remove_untagged(login, owner, &left).await;
        }
        if manifest.subject.is_none() {
            let (account, name) = (owner.did.clone(), repository.clone());
            self.catalog.pushed(PushedRepository { account, name, hold, pushed_us: (self.clock)() }).await?;
        }
        Ok(())
    }

    /// Queues the event for the webhooks of the repository: for images, not for manifests attached to them.
    async fn announce(
        &self,
        _turn: &TagTurn,
        (permit, owner): (&PushPermit, &Account),
        tag: &Tag,
        manifest: &ParsedManifest,
    ) -> Result<(), ImagesError> {
        if manifest.subject.is_some() || tag.attached_to().is_some() {
            return Ok(());
        }
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
        Ok(self.webhooks.pushed(owner, &permit.repository().name, image).await?)
    }

    /// Checks that all blobs and manifests that the manifest names are there.
    async fn check(
        &self,
        permit: &PushPermit,
        owner: &Account,
        hold: &ServiceUrl,
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

    /// Writes the record of a manifest, then that of the tag: each refers to what is there. Returns both changes. If the
    /// PDS refuses the tag, the change of the manifest is undone. The notice `pending` is removed if no record is left.
    async fn write_records(
        &self,
        pending: i64,
        (turn, tag): (&ManifestTurn, Option<&(&Tag, TagTurn)>),
        (permit, owner, hold): (&PushPermit, &Account, &ServiceUrl),
        (manifest, blob): (&ParsedManifest, Value),
    ) -> Result<(Change, Option<Change>), ImagesError> {
        let recorded = self.write_manifest(turn, (permit, owner, hold), (manifest, blob)).await;
        let (leaves_nothing, error) = match (recorded, tag) {
            (Err(error), _) => (error.wrote_nothing(), error),
            (Ok(recorded), None) => return Ok((recorded, None)),
            (Ok(recorded), Some((tag, tag_turn))) => {
                match self.write_tag(tag_turn, (permit, owner), tag, &manifest.digest).await {
                    Ok(tagged) => return Ok((recorded, Some(tagged))),
                    Err(error) if !error.wrote_nothing() => (false, error),
                    Err(error) => {
                        let undone = self.undo_manifest(turn, permit.login(), &manifest.digest, recorded).await;
                        (undone.is_ok(), error)
                    }
                }
            }
        };
        if leaves_nothing {
            self.drop_notice(pending).await?;
        }
        Err(error)
    }

    /// Writes the record of a manifest, whose bytes were uploaded as `blob`. Returns the record before and after.
    async fn write_manifest(
        &self,
        _turn: &ManifestTurn,
        (permit, owner, hold): (&PushPermit, &Account, &ServiceUrl),
        (manifest, blob): (&ParsedManifest, Value),
    ) -> Result<Change, ImagesError> {
        let (login, now) = (permit.login(), Datetime::from_micros((self.clock)()));
        let key = manifest_key(&manifest.digest);
        let mut record = manifest.record();
        record.insert("$type".into(), json!(nsid::MANIFEST.as_str()));
        record.insert("holdDid".into(), json!(hold.did()));
        record.insert("manifestBlob".into(), blob);
        for _ in 0..SWAPS {
            let before = self.repos.record(owner, nsid::MANIFEST, &key).await?;
            let known = |field: &str| before.value.as_ref().and_then(|record| record.get(field)).cloned();
            // A record that exists keeps its repository and time: the same push again makes no commit.
            let repository = known("repository").unwrap_or_else(|| json!(permit.repository().name));
            record.insert("repository".into(), repository);
            record.insert("createdAt".into(), known("createdAt").unwrap_or_else(|| json!(now)));
            match self.repos.put(login, nsid::MANIFEST, &key, Value::Object(record.clone()), &before).await {
                Err(ReposError::Changed) => {}
                written => return Ok((before, written?)),
            }
        }
        Err(ReposError::Changed.into())
    }

    /// Writes the record of a tag. Returns the record before and after.
    async fn write_tag(
        &self,
        _turn: &TagTurn,
        (permit, owner): (&PushPermit, &Account),
        tag: &Tag,
        digest: &Digest,
    ) -> Result<Change, ImagesError> {
        let (login, repository) = (permit.login(), &permit.repository().name);
        let key = TagRecord::key_of(repository, tag);
        let record = tag_record(&owner.did, repository, tag, digest, Datetime::from_micros((self.clock)()));
        for _ in 0..SWAPS {
            let before = self.repos.record(owner, nsid::TAG, &key).await?;
            if let Some(other) = before.value.as_ref().and_then(|found| other_image(found, repository, tag)) {
                return Err(ImagesError::TagTaken(other));
            }
            match self.repos.put(login, nsid::TAG, &key, record.clone(), &before).await {
                Err(ReposError::Changed) => {}
                written => return Ok((before, written?)),
            }
        }
        Err(ReposError::Changed.into())
    }

    /// Undoes the writes of a push that the hold refused: the tag first, so that none points to a missing manifest. What
    /// the PDS does not undo stays; the client is told of the refusal all the same, for another push would not help.
    async fn undo(
        &self,
        (turn, tag): (&ManifestTurn, Option<&(&Tag, TagTurn)>),
        permit: &PushPermit,
        digest: &Digest,
        (recorded, tagged): (Change, Option<Change>),
    ) {
        let login = permit.login();
        let mut attempt = 1;
        loop {
            let undone = async {
                if let (Some((tag, turn)), Some(change)) = (tag, tagged.clone()) {
                    self.undo_tag(turn, permit, tag, change).await?;
                }
                self.undo_manifest(turn, login, digest, recorded.clone()).await
            };
            match undone.await {
                Ok(()) => return,
                Err(error) if attempt < UNDO_TRIES => {
                    let asked = error.retry_after().unwrap_or_default().min(LONGEST_UNDO_PAUSE);
                    tokio::time::sleep((UNDO_PAUSE * attempt).max(asked)).await;
                }
                Err(error) => {
                    let did = &login.account;
                    tracing::warn!(%did, manifest = %digest, "a push that its hold refused is not undone: {error}");
                    return;
                }
            }
            attempt += 1;
        }
    }

    async fn undo_tag(
        &self,
        _turn: &TagTurn,
        permit: &PushPermit,
        tag: &Tag,
        (before, written): Change,
    ) -> Result<(), ImagesError> {
        let key = TagRecord::key_of(&permit.repository().name, tag);
        Ok(self.repos.restore(permit.login(), nsid::TAG, &key, (before, &written)).await?)
    }

    async fn undo_manifest(
        &self,
        _turn: &ManifestTurn,
        login: &Login,
        digest: &Digest,
        (before, written): Change,
    ) -> Result<(), ImagesError> {
        Ok(self.repos.restore(login, nsid::MANIFEST, &manifest_key(digest), (before, &written)).await?)
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
