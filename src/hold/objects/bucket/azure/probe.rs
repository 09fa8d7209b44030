//! What is tried of a container at start.
//! Codes: <https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes>

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use http::header::HeaderName;

use super::{Azure, BLOB_TYPE};
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::probe::{Advice, Attempt, CONTENT, PROBES, Step, in_step, keys};
use crate::objects::bucket::{Completed, Copied, PartError, ProbeError, Probed};

static CHECKSUM: HeaderName = HeaderName::from_static("content-md5");
/// The MD5 of nothing, which is not that of [`CONTENT`], in base64.
const WRONG_CHECKSUM: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

static ADVICE: Advice = Advice {
    store: "Azure store",
    address: "AZURE_STORAGE_ACCOUNT_NAME (or AZURE_STORAGE_ENDPOINT)",
    all: "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_CONTAINER_NAME and AZURE_STORAGE_ENDPOINT",
    elsewhere: "AZURE_STORAGE_ENDPOINT",
    credentials: "set AZURE_STORAGE_ACCOUNT_KEY",
    not_allowed: "correct AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, and allow the account's keys and \
                  this machine's network in the account's settings",
    by_code: &[
        ("ContainerNotFound", "create the container, or correct AZURE_STORAGE_CONTAINER_NAME"),
        ("AuthenticationFailed", "correct AZURE_STORAGE_ACCOUNT_KEY, and check the clock of this machine"),
        ("KeyBasedAuthenticationNotPermitted", "allow access by the account's keys in its settings"),
        ("ContainerBeingDeleted", "the container is being deleted: take another name"),
    ],
};

impl Azure {
    /// As [`Bucket::probe`](super::super::Bucket::probe).
    pub(in crate::objects::bucket) async fn probe(
        &self,
        name: &str,
        now_us: fn() -> u64,
    ) -> Result<Probed, ProbeError> {
        let keys = keys(name);
        let attempt = Attempt { client: &self.client, advice: &ADVICE };
        attempt.run(now_us, self.try_all(&keys), self.clean_up(&keys)).await
    }

    /// Answers whether a wrong checksum is refused.
    async fn try_all(&self, keys: &[String; 4]) -> Result<bool, Step> {
        let [object, parts, copy, checksum] = keys;
        self.try_object(object).await?;
        self.try_parts(parts).await?;
        self.try_copy(parts, copy).await.map_err(in_step("copy an object (Copy Blob)"))?;
        let call = Call::on(Method::PUT, checksum)
            .header(BLOB_TYPE.clone(), "BlockBlob")
            .header(CHECKSUM.clone(), WRONG_CHECKSUM)
            .body(CONTENT);
        let refuses_wrong_checksum = self.client.exchange(&call).await.is_err_and(|fault| !fault.is_passing());
        for key in keys {
            self.client.remove(key).await.map_err(in_step("delete an object"))?;
        }
        Ok(refuses_wrong_checksum)
    }

    async fn try_object(&self, key: &str) -> Result<(), Step> {
        self.put_blob(key, CONTENT).await.map_err(in_step("put an object"))?;
        let info = self.client.find(key).await.map_err(in_step("ask for an object's size"))?;
        if info.is_none_or(|info| info.size_bytes != CONTENT.len() as u64) {
            return Err(Step("ask for an object's size", Fault::Senseless("what was put is not there")));
        }
        let url =
            self.presign_read(key).await.map_err(|_| in_step("sign a URL")(Fault::Senseless("no URL is signed")))?;
        let got = self.client.get_by_url(&url).await.map_err(in_step("get an object by a signed URL"))?;
        if got != CONTENT {
            return Err(Step("get an object by a signed URL", Fault::Senseless("the bytes are not what was put")));
        }
        let list = Self::page_of(&self.client.listed_prefix(PROBES));
        self.client.exchange(&list).await.map(drop).map_err(in_step("list the container"))
    }

    async fn try_parts(&self, key: &str) -> Result<(), Step> {
        let sending = "send a block (Put Block)";
        let sent = self.upload_part(key, 1, CONTENT.len() as u64, whole()).await;
        let etag = sent.map_err(|_: PartError<()>| Step(sending, Fault::Senseless("it does not take the block")))?;
        let listing = in_step("list the blocks of an upload (Get Block List)");
        if self.parts(key).await.map_err(listing)?.is_none_or(|parts| parts.len() != 1) {
            return Err(listing(Fault::Senseless("the block is not there")));
        }
        let completing = in_step("commit the blocks of an upload (Put Block List)");
        match self.complete(key, &[(1, etag)]).await.map_err(completing)? {
            Completed::Object(info) if info.size_bytes == CONTENT.len() as u64 => Ok(()),
            _ => Err(completing(Fault::Senseless("the blocks do not become the object"))),
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
    async fn clean_up(&self, keys: &[String]) {
        for key in keys {
            let _ = self.abort(key).await;
            let _ = self.client.remove(key).await;
        }
    }
}

fn whole() -> impl stream::Stream<Item = Result<Bytes, ()>> + Send + 'static {
    stream::iter([Ok(Bytes::from_static(CONTENT))])
}
