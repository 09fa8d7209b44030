//! What is tried once at start, so that a hold that cannot store anything says so before it serves.
//!
//! Everything an upload and a read will need is done with one small object under a name of its own, and undone.

use futures_util::TryStreamExt as _;
use http::Method;

use super::S3;
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::probe::{Attempt, CONTENT, PROBES, Step, in_step, keys};
use crate::objects::bucket::{Completed, Copied, ProbeError, Probed};

impl S3 {
    /// Tries everything the hold will need, within half a minute, and leaves nothing behind. `name` is a word that
    /// no other hold probes with; `now_us` gives the time in microseconds since 1970.
    ///
    /// # Errors
    /// [`ProbeError`]
    pub async fn probe(&self, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
        let keys = keys(name);
        let attempt = Attempt { client: &self.client, advice: &self.dialect.advice };
        attempt.run(now_us, self.try_all(&keys), self.clean_up(name, &keys)).await
    }

    /// Answers whether a wrong checksum is refused.
    async fn try_all(&self, keys: &[String; 4]) -> Result<bool, Step> {
        let [object, parts, copy, checksum] = keys;
        self.try_object(object).await?;
        self.try_parts(parts).await?;
        self.try_copy(parts, copy).await.map_err(in_step("copy an object"))?;
        let (name, value) = &self.dialect.wrong_checksum;
        let call = Call::on(Method::PUT, checksum).header(name.clone(), value).body(CONTENT);
        let refuses_wrong_checksum = self.client.exchange(&call).await.is_err_and(|fault| !fault.is_passing());
        for key in keys {
            self.client.remove(key).await.map_err(in_step("delete an object"))?;
        }
        Ok(refuses_wrong_checksum)
    }

    async fn try_object(&self, key: &str) -> Result<(), Step> {
        let put = Call::on(Method::PUT, key).body(CONTENT);
        self.client.exchange(&put).await.map_err(in_step("put an object"))?;
        let info = self.client.find(key).await.map_err(in_step("ask for an object's size"))?;
        let expected = CONTENT.len() as u64;
        if info.is_none_or(|info| info.size_bytes != expected) {
            return Err(Step("ask for an object's size", Fault::Senseless("what was put is not there")));
        }
        let got = self.client.exchange(&Call::on(Method::GET, key)).await.map_err(in_step("get an object"))?;
        if got.body() != CONTENT {
            return Err(Step("get an object", Fault::Senseless("the bytes are not what was put")));
        }
        let list =
            Call::on_bucket(Method::GET).query("list-type", "2").query("prefix", self.client.listed_prefix(PROBES));
        self.client.exchange(&list).await.map(drop).map_err(in_step("list the bucket"))
    }

    async fn try_parts(&self, key: &str) -> Result<(), Step> {
        let begin = in_step("begin an upload in parts (CreateMultipartUpload)");
        let dropped = self.create(key).await.map_err(begin)?;
        self.abort(key, &dropped).await.map_err(in_step("drop an upload in parts (AbortMultipartUpload)"))?;
        let id = self.create(key).await.map_err(begin)?;
        let url = self.part_url(key, &id, 1).await.map_err(in_step("sign a URL"))?;
        let etag = self.client.put_by_url(url.as_str()).await.map_err(in_step("upload a part by a presigned URL"))?;
        let listing = in_step("list the parts of an upload (ListParts)");
        if self.parts(key, &id).await.map_err(listing)?.is_none_or(|parts| parts.len() != 1) {
            return Err(listing(Fault::Senseless("the part is not there")));
        }
        let open = Call::on_bucket(Method::GET).query("uploads", "").query("prefix", self.client.listed_prefix(PROBES));
        self.client.exchange(&open).await.map_err(in_step("list the open uploads (ListMultipartUploads)"))?;
        let completing = in_step("complete an upload in parts (CompleteMultipartUpload)");
        match self.complete(key, &id, &[(1, etag)]).await.map_err(completing)? {
            Completed::Object(info) if info.size_bytes == CONTENT.len() as u64 => Ok(()),
            _ => Err(completing(Fault::Senseless("the parts do not become the object"))),
        }
    }

    async fn try_copy(&self, from: &str, to: &str) -> Result<(), Fault> {
        let gone = Fault::Senseless("the object to be copied is gone");
        let Some(info) = self.client.find(from).await? else { return Err(gone) };
        match self.copy_object(from, &info.etag, to, info.size_bytes).await? {
            Copied::Done => Ok(()),
            Copied::SourceChanged => Err(gone),
        }
    }

    /// Removes what the probe may have left; what fails here was reported by the step before.
    async fn clean_up(&self, name: &str, keys: &[String]) {
        let open = self.list_multiparts(&format!("{PROBES}/{name}")).try_collect::<Vec<_>>().await;
        for upload in open.unwrap_or_default() {
            let _ = self.abort(&upload.key, &upload.id).await;
        }
        for key in keys {
            let _ = self.client.remove(key).await;
        }
    }
}
