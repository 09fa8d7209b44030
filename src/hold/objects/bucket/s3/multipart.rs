//! Multipart uploads.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use http::Method;
use object_store::signer::SignedUrlOptions;

use super::xml::{Created, ListedPart, PartPage, UploadPage, part_list};
use super::{S3, require_next};
use crate::objects::bucket::client::{Call, LONG_TIMEOUT};
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::provider::{Cursor, Multipart, Page, PartRequest, beyond};
use crate::objects::bucket::{Completed, OpenMultipart, PART_URL_S, StoredPart, xml};

/// Error codes for a list of parts that is not what the store received.
const WRONG_PARTS: [&str; 4] = ["InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidPartNumber"];

#[async_trait::async_trait]
impl Multipart for S3 {
    async fn create(&self, key: &str) -> Result<String, Fault> {
        let answer = self.client.exchange(&Call::on(Method::POST, key).query("uploads", "")).await?;
        let created: Created = xml::parse(answer.body())?;
        Ok(created.upload_id)
    }

    fn part(&self, key: &str, id: &str, number: u16) -> Result<PartRequest, Fault> {
        let call = Call::on(Method::PUT, key).query("partNumber", number.to_string()).query("uploadId", id);
        Ok(PartRequest { call, etag: None })
    }

    async fn part_url(&self, key: &str, id: &str, number: u16) -> Result<String, Fault> {
        let query = [("partNumber", number.to_string()), ("uploadId", id.to_owned())];
        let options = SignedUrlOptions::new().with_query(query);
        Ok(self.client.presign(Method::PUT, key, PART_URL_S, &options).await?.into())
    }

    async fn parts(&self, key: &str, id: &str) -> Result<Option<Vec<StoredPart>>, Fault> {
        let (mut parts, mut from) = (Vec::new(), Cursor::new());
        loop {
            let call = Call::on(Method::GET, key).query("uploadId", id).queries(from.clone());
            let answer = match self.client.exchange(&call).await {
                Err(fault) if fault.is_missing() => return Ok(None),
                answer => answer?,
            };
            let page: PartPage = xml::parse(answer.body())?;
            let part =
                |part: ListedPart| StoredPart { number: part.part_number, etag: part.etag, size_bytes: part.size };
            parts.extend(page.parts.into_iter().map(part));
            require_next(page.is_truncated, page.next_part_number_marker.is_some())?;
            let next = page.next_part_number_marker.filter(|_| page.is_truncated);
            match beyond(&from, next.map(|marker| vec![("part-number-marker", marker)]))? {
                Some(next) => from = next,
                None => return Ok(Some(parts)),
            }
        }
    }

    async fn complete(&self, key: &str, id: &str, parts: &[(u16, String)]) -> Result<Completed, Fault> {
        let mut parts: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        parts.sort_unstable_by_key(|(number, _)| *number);
        let call =
            Call::on(Method::POST, key).query("uploadId", id).body(part_list(parts.into_iter())).timeout(LONG_TIMEOUT);
        match self.client.exchange(&call).await {
            Ok(_) => {}
            Err(fault) if fault.has_code(&WRONG_PARTS) => {
                return Ok(Completed::WrongParts { code: fault.code().to_owned() });
            }
            Err(fault) if fault.is_missing() || fault.has_code(&["NoSuchUpload"]) => {}
            // Ceph returns an internal error for a missing upload; other errors show up again in this request.
            Err(fault @ Fault::Answered { .. }) if self.parts(key, id).await?.is_some() => return Err(fault),
            Err(Fault::Answered { .. }) => {}
            Err(fault) => return Err(fault),
        }
        // The response's own ETag may be empty (Ceph), and a response may be lost: only the object counts.
        Ok(self.client.find(key).await?.map_or(Completed::Unknown, Completed::Object))
    }

    async fn abort(&self, key: &str, id: &str) -> Result<(), Fault> {
        match self.client.exchange(&Call::on(Method::DELETE, key).query("uploadId", id)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    async fn list_uploads(&self, prefix: &str, from: Cursor) -> Result<Page<OpenMultipart>, Fault> {
        let call = Call::on_bucket(Method::GET).query("uploads", "").query("prefix", prefix).queries(from);
        let answer = self.client.exchange(&call).await?;
        let page: UploadPage = xml::parse(answer.body())?;
        require_next(page.is_truncated, page.next_key_marker.is_some())?;
        let next = page
            .next_key_marker
            .filter(|_| page.is_truncated)
            .map(|key| vec![("key-marker", key), ("upload-id-marker", page.next_upload_id_marker.unwrap_or_default())]);
        let mut items = Vec::new();
        // Some stores ignore the prefix.
        for upload in page.uploads.into_iter().filter(|upload| upload.key.starts_with(prefix)) {
            let Some(key) = upload.key.strip_prefix(&self.client.prefix) else { continue };
            let begun_us = u64::try_from(upload.initiated.timestamp_micros()).unwrap_or_default();
            items.push(OpenMultipart { key: key.to_owned(), id: upload.upload_id, begun_us });
        }
        Ok(Page { items, next })
    }
}
