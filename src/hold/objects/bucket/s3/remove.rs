//! Removal of many objects, each requested once: the caller must know whether a request may still arrive.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::BASE64;
use http::Method;
use http::header::HeaderName;
use md5::{Digest as _, Md5};

use super::S3;
use super::xml::{Removal, Removals, removal_list};
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::{Fault, word};
use crate::objects::bucket::provider::Outcomes;
use crate::objects::bucket::xml;

/// Most objects that one request may list.
const REMOVED_AT_ONCE: usize = 1_000;
/// Time limit of one request. Some stores remove the listed objects one by one.
const TIMEOUT: Duration = Duration::from_secs(60);
static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

impl S3 {
    pub(super) async fn remove_in_batches(&self, keys: &[String]) -> Outcomes {
        let mut outcomes = Outcomes::new();
        for keys in keys.chunks(REMOVED_AT_ONCE) {
            outcomes.extend(self.remove_batch(keys).await);
        }
        outcomes
    }

    async fn remove_batch(&self, keys: &[String]) -> Outcomes {
        if !self.removes_singly.load(Ordering::Relaxed) {
            match self.remove_together(keys).await {
                Ok(outcomes) => return outcomes,
                Err(fault) if is_refusal(&fault) => {
                    tracing::debug!(%fault, "the store does not remove many objects at once");
                    self.removes_singly.store(true, Ordering::Relaxed);
                }
                Err(fault) => return keys.first().map(|key| (key.clone(), Err(fault))).into_iter().collect(),
            }
        }
        self.client.remove_each(keys).await
    }

    async fn remove_together(&self, keys: &[String]) -> Result<Outcomes, Fault> {
        let prefix = &self.client.prefix;
        let body = removal_list(keys.iter().map(|key| format!("{prefix}{key}")));
        let hash = BASE64.encode(&Md5::digest(&body));
        let call = Call::on_bucket(Method::POST).query("delete", "").header(CONTENT_MD5.clone(), &hash);
        let answer = self.client.exchange_once(&call.body(body).timeout(TIMEOUT)).await?;
        let page: Removals = xml::parse(answer.body())?;
        let mut told: HashMap<_, _> = page.told.into_iter().filter_map(|removal| named(removal, prefix)).collect();
        // Stores leave out removed objects, as requested, or absent ones.
        let mut outcome = |key: &String| told.remove(key).flatten().map_or(Ok(()), Err);
        Ok(keys.iter().map(|key| (key.clone(), outcome(key))).collect())
    }
}

/// Returns the key of a removal without the prefix, and the fault if it failed.
fn named(removal: Removal, prefix: &str) -> Option<(String, Option<Fault>)> {
    let (key, fault) = match removal {
        Removal::Deleted { key } => (key, None),
        Removal::Error { code, .. } if code == "NoSuchKey" => return None,
        Removal::Error { key, code } => (key, Some(Fault::of_one(word(code)))),
    };
    Some((key.strip_prefix(prefix)?.to_owned(), fault))
}

/// Whether the store refuses this kind of request, whatever objects it lists.
fn is_refusal(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered { .. }) && !fault.is_transient() && !fault.has_code(&["NoSuchBucket"])
}
