//! Uploads in parts: beginning, listing, completing and dropping them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::VecDeque;

use futures_util::stream::{self, Stream};
use http::Method;

use super::S3;
use super::xml::{Created, ListedPart, PartPage, UploadPage, part_list};
use crate::objects::bucket::client::{Call, LONG_PATIENCE};
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::{Completed, OpenMultipart, Part, xml};
use server::storage::StorageError;

/// What the store says to a list of parts that is not what it received.
const WRONG_PARTS: [&str; 4] = ["InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidPartNumber"];

impl S3 {
    /// Begins an upload in parts and answers the store's name for it.
    ///
    /// # Errors
    /// When the store fails. An upload may have begun all the same: [`S3::list_multiparts`] finds it.
    pub async fn create_multipart(&self, key: &str) -> Result<String, StorageError> {
        Ok(self.create(key).await?)
    }

    pub(super) async fn create(&self, key: &str) -> Result<String, Fault> {
        let answer = self.client.exchange(&Call::on(Method::POST, key).query("uploads", "")).await?;
        let created: Created = xml::parse(answer.body())?;
        Ok(created.upload_id)
    }

    /// The parts that the store has, in order of their numbers; `None` when there is no such upload. A store may
    /// list a part that was replaced besides the one in its place: it is the ETags that tell.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_parts(&self, key: &str, id: &str) -> Result<Option<Vec<Part>>, StorageError> {
        Ok(self.parts(key, id).await?)
    }

    pub(super) async fn parts(&self, key: &str, id: &str) -> Result<Option<Vec<Part>>, Fault> {
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let mut call = Call::on(Method::GET, key).query("uploadId", id);
            if let Some(after) = after {
                call = call.query("part-number-marker", after);
            }
            let answer = match self.client.exchange(&call).await {
                Err(fault) if fault.is_missing() => return Ok(None),
                answer => answer?,
            };
            let page: PartPage = xml::parse(answer.body())?;
            let part = |part: ListedPart| Part { number: part.part_number, etag: part.etag, size_bytes: part.size };
            parts.extend(page.parts.into_iter().map(part));
            match page.next_part_number_marker {
                Some(marker) if page.is_truncated => after = Some(marker),
                _ => return Ok(Some(parts)),
            }
        }
    }

    /// Makes an object of parts, listed by number and ETag (quoted or bare), in any order. The key must belong to
    /// this upload alone: an object found under it after a lost answer counts as the upload's own.
    ///
    /// # Errors
    /// When the store fails; whether the object is there is unknown then, and the call may be repeated.
    pub async fn complete_multipart(
        &self,
        key: &str,
        id: &str,
        parts: &[(u16, String)],
    ) -> Result<Completed, StorageError> {
        Ok(self.complete(key, id, parts).await?)
    }

    pub(super) async fn complete(&self, key: &str, id: &str, parts: &[(u16, String)]) -> Result<Completed, Fault> {
        let mut parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        parts.sort_unstable_by_key(|(number, _)| *number);
        let call = Call::on(Method::POST, key)
            .query("uploadId", id)
            .body(part_list(parts.into_iter()))
            .patience(LONG_PATIENCE);
        match self.client.exchange(&call).await {
            Ok(_) => {}
            Err(fault) if fault.has_code(&WRONG_PARTS) => return Ok(Completed::WrongParts),
            Err(fault) if fault.is_missing() || fault.has_code(&["NoSuchUpload"]) => {}
            // Ceph has an internal error for an upload that is not there; other trouble shows here once more.
            Err(fault @ Fault::Answered { .. }) if self.parts(key, id).await?.is_some() => return Err(fault),
            Err(Fault::Answered { .. }) => {}
            Err(fault) => return Err(fault),
        }
        // The answer's own ETag may be empty (Ceph), and an answer may be lost: the object is what counts.
        Ok(self.client.find(key).await?.map_or(Completed::Unknown, Completed::Object))
    }

    /// Drops an upload with its parts; one that is not there counts as dropped.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn abort_multipart(&self, key: &str, id: &str) -> Result<(), StorageError> {
        Ok(self.abort(key, id).await?)
    }

    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), Fault> {
        match self.client.exchange(&Call::on(Method::DELETE, key).query("uploadId", id)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// The uploads in parts that are open below a folder.
    ///
    /// # Errors
    /// When the store fails; the stream ends there.
    pub fn list_multiparts(
        &self,
        folder: &str,
    ) -> impl Stream<Item = Result<OpenMultipart, StorageError>> + Send + use<> {
        let listing = OpenUploads {
            prefix: self.client.listed_prefix(folder),
            s3: self.clone(),
            page: VecDeque::new(),
            after: Some((String::new(), String::new())),
        };
        stream::try_unfold(listing, |mut listing| async move {
            let next = listing.next().await?;
            Ok(next.map(|upload| (upload, listing)))
        })
    }
}

struct OpenUploads {
    s3: S3,
    prefix: String,
    page: VecDeque<OpenMultipart>,
    /// The key and the upload after which the next page begins; `None` when the last page was read.
    after: Option<(String, String)>,
}

impl OpenUploads {
    async fn next(&mut self) -> Result<Option<OpenMultipart>, StorageError> {
        loop {
            if let Some(upload) = self.page.pop_front() {
                return Ok(Some(upload));
            }
            let Some(after) = self.after.take() else { return Ok(None) };
            self.ask(after).await?;
        }
    }

    async fn ask(&mut self, (key, id): (String, String)) -> Result<(), Fault> {
        let mut call = Call::on_bucket(Method::GET).query("uploads", "").query("prefix", self.prefix.as_str());
        if !key.is_empty() {
            call = call.query("key-marker", key).query("upload-id-marker", id);
        }
        let answer = self.s3.client.exchange(&call).await?;
        let page: UploadPage = xml::parse(answer.body())?;
        if page.is_truncated {
            self.after = page.next_key_marker.map(|key| (key, page.next_upload_id_marker.unwrap_or_default()));
        }
        for upload in page.uploads {
            // Some stores take no heed of the prefix.
            if !upload.key.starts_with(&self.prefix) {
                continue;
            }
            let Some(key) = upload.key.strip_prefix(&self.s3.client.prefix) else { continue };
            let begun_us = u64::try_from(upload.initiated.timestamp_micros()).unwrap_or_default();
            self.page.push_back(OpenMultipart { key: key.to_owned(), id: upload.upload_id, begun_us });
        }
        Ok(())
    }
}
