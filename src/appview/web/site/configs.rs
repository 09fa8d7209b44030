//! Configs of images, read from their holds and cached.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use tokio::time::timeout;

use super::{PART_TIME, Subject};
use crate::catalog::{Answer, AnswerCache, CacheTimes, LookUpError, is_image_config};
use crate::gate::PullPermit;
use crate::holds::HoldsError;
use crate::images::{ImageConfig, ImagesError, ManifestDetails};
use crate::names::RepositoryName;
use crate::web::Web;
use crate::web::viewer::Viewer;
use atproto::syntax::{Did, Digest};
use server::bulkhead::Caller;

/// Size of the cache.
const MAX_REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;

/// The viewer, the owner and the digest: whether a viewer may read a config is for its hold to say.
type ConfigKey = (Option<Did>, Did, Digest);

/// Weighs configs by their bytes: usual ones have some kilobytes, the longest a million.
#[derive(Clone)]
pub(in crate::web) struct ByLength;

impl Weighter<ConfigKey, Answer<Arc<ImageConfig>>> for ByLength {
    fn weight(&self, _: &ConfigKey, answer: &Answer<Arc<ImageConfig>>) -> u64 {
        500 + answer.as_ref().map_or(0, |config| config.text_bytes() + 32 * config.history.len()) as u64
    }
}

/// The cache.
pub(in crate::web) type Configs = Arc<AnswerCache<ConfigKey, Arc<ImageConfig>, ByLength>>;

pub(in crate::web) fn remembered() -> Configs {
    let times = CacheTimes { fresh: Duration::from_secs(60), failed: Duration::from_secs(15), time_out: PART_TIME };
    AnswerCache::new(512, MAX_REMEMBERED_BYTES, ByLength, times)
}

/// Returns the config of an image, if it has one and the viewer may read it, or the reason why it cannot be shown.
pub(super) async fn of(
    web: &Web,
    viewer: &Viewer,
    caller: &Caller,
    subject: &Subject,
    repository: &RepositoryName,
    details: &ManifestDetails,
) -> Result<Option<Arc<ImageConfig>>, LookUpError> {
    let Some(config) = details.config.as_ref().filter(|config| is_image_config(&config.media_type)) else {
        return Ok(None);
    };
    // The viewer's own server may be silent: then the hold is asked as for anybody.
    let login = timeout(PART_TIME, viewer.login(web)).await.ok().and_then(Result::ok).flatten();
    let key = (login.as_ref().map(|login| login.account.clone()), subject.account.did.clone(), config.digest);
    let is_nobody = login.is_none();
    let permit = PullPermit::of_viewer(repository.clone(), login, caller.clone());
    let (images, account, config) = (Arc::clone(&web.images), Arc::clone(&subject.account), config.clone());
    let ask = async move {
        let sentence = match images.config(&permit, &account, &config).await {
            Ok(Some(config)) => return Ok(Arc::new(config)),
            Ok(None) => "The image's configuration is not in its hold.",
            Err(ImagesError::Hold(HoldsError::Refused { .. })) if is_nobody => {
                "The hold of this image is private: whoever is of its crew sees more when signed in."
            }
            Err(ImagesError::Hold(HoldsError::Refused { .. })) => {
                "The hold of this image is private, and you are not of its crew."
            }
            Err(ImagesError::Hold(error)) if error.is_late() => "The hold of this image is too slow at present.",
            Err(error) => {
                tracing::info!("the configuration of an image cannot be shown: {error}");
                "The hold of this image does not answer as it should."
            }
        };
        Err(LookUpError::Failed(sentence.into()))
    };
    web.configs.get(key, ask).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::{Arc, Did, Digest, ImageConfig, LookUpError, MAX_REMEMBERED_BYTES, remembered};
    use crate::images::BuildStep;

    #[tokio::test]
    async fn configs_of_a_million_bytes_do_not_fill_the_memory() {
        let (configs, owner) = (remembered(), Did::parse("did:web:a.example").unwrap());
        let key = |number: u8| (None, owner.clone(), Digest::from_bytes([number; 32]));
        for number in 0..40 {
            let step = BuildStep { created_by: "x".repeat(1_000_000), empty_layer: false };
            let config = ImageConfig { history: vec![step], ..ImageConfig::default() };
            configs.get(key(number), std::future::ready(Ok(Arc::new(config)))).await.unwrap();
        }
        let mut bytes = 0;
        for number in 0..40 {
            let known = configs.get(key(number), std::future::ready(Err(LookUpError::Failed(String::new())))).await;
            bytes += known.map_or(0, |config| config.text_bytes() as u64);
        }
        assert!((1..=MAX_REMEMBERED_BYTES).contains(&bytes), "{bytes}");
    }
}
