//! Removing many objects, each asked for once: whoever removes must know whether a request may still arrive.
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
use crate::objects::Removed;
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::xml;

/// As many as one request may name.
const REMOVED_AT_ONCE: usize = 1_000;
/// Some stores go through the list one by one.
const PATIENCE: Duration = Duration::from_secs(60);
static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

impl S3 {
    /// Removes objects; one that is not there counts as removed. Nothing is asked twice.
    pub async fn remove_all(&self, keys: Vec<String>) -> Removed {
        let mut removed = Removed::default();
        for keys in keys.chunks(REMOVED_AT_ONCE) {
            removed.add(self.remove_some(keys).await);
        }
        removed
    }

    async fn remove_some(&self, keys: &[String]) -> Removed {
        if !self.removes_singly.load(Ordering::Relaxed) {
            match self.remove_together(keys).await {
                Ok(removed) => return removed,
                Err(fault) if is_refusal(&fault) => {
                    tracing::debug!(%fault, "the store does not remove many objects at once");
                    self.removes_singly.store(true, Ordering::Relaxed);
                }
                Err(fault) => return Removed { gone: Vec::new(), failure: Some(fault.into()) },
            }
        }
        self.client.remove_each(keys).await
    }

    async fn remove_together(&self, keys: &[String]) -> Result<Removed, Fault> {
        let prefix = &self.client.prefix;
        let body = removal_list(keys.iter().map(|key| format!("{prefix}{key}")));
        let hash = BASE64.encode(&Md5::digest(&body));
        let call = Call::on_bucket(Method::POST).query("delete", "").header(CONTENT_MD5.clone(), &hash);
        let answer = self.client.exchange_once(&call.body(body).patience(PATIENCE)).await?;
        let page: Removals = xml::parse(answer.body())?;
        let mut told: HashMap<_, _> = page.told.into_iter().filter_map(|removal| named(removal, prefix)).collect();
        let mut removed = Removed::default();
        for key in keys {
            // Stores leave out what was removed, as they are asked to, or what was not there.
            let outcome = told.remove(key).map_or(Ok(()), |fault| fault.map_or(Ok(()), |fault| Err(fault.into())));
            removed.note(key, outcome);
        }
        Ok(removed)
    }
}

/// The key of a removal without the prefix, and what went wrong.
fn named(removal: Removal, prefix: &str) -> Option<(String, Option<Fault>)> {
    let (key, fault) = match removal {
        Removal::Deleted { key } => (key, None),
        Removal::Error { code, .. } if code == "NoSuchKey" => return None,
        Removal::Error { key, code } => (key, Some(Fault::of_one(xml::word(code)))),
    };
    Some((key.strip_prefix(prefix)?.to_owned(), fault))
}

/// Whether the store does not take this request at all, whatever it names.
fn is_refusal(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered { .. }) && !fault.is_passing() && !fault.has_code(&["NoSuchBucket"])
}
