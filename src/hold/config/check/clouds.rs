//! Checks the options of buckets of Google Cloud Storage and Azure.

use zeroize::Zeroizing;

use super::super::raw;
use super::Checker;
#[cfg(feature = "azure")]
use crate::objects::AzureSettings;
#[cfg(feature = "gcs")]
use crate::objects::GoogleSettings;
use server::settings::{Secret, SettingsError};

#[cfg(feature = "gcs")]
const BUCKET_RULE: &str = "a bucket's name has letters, digits, dots, hyphens and underscores";

impl Checker<'_> {
    #[cfg(feature = "gcs")]
    pub(super) fn gcs(&self, raw: &raw::Gcs) -> Result<GoogleSettings, SettingsError> {
        const BUCKET: &str = "storage.gcs.bucket";
        let bucket = self.values.required(BUCKET, raw.bucket.as_deref(), "my-blobs, the name of your bucket")?;
        self.plain(BUCKET, bucket, BUCKET_RULE, b".-_")?;
        let example = "the path of the key file that Google made for the service account";
        Ok(GoogleSettings {
            bucket: bucket.to_owned(),
            service_account: self.secret("storage.gcs.service_account", raw.service_account.as_ref(), example)?,
            endpoint: self.other_endpoint("storage.gcs.endpoint", raw.endpoint.as_deref())?,
            prefix: self.prefix("storage.gcs.prefix", &raw.prefix)?,
        })
    }

    #[cfg(feature = "azure")]
    pub(super) fn azure(&self, raw: &raw::Azure) -> Result<AzureSettings, SettingsError> {
        const ACCOUNT: &str = "storage.azure.account";
        const CONTAINER: &str = "storage.azure.container";
        let account =
            self.values.required(ACCOUNT, raw.account.as_deref(), "mystorage, the name of your storage account")?;
        self.plain(ACCOUNT, account, "the name of a storage account has letters and digits", b"")?;
        let container =
            self.values.required(CONTAINER, raw.container.as_deref(), "my-blobs, the name of your container")?;
        self.plain(CONTAINER, container, "the name of a container has letters, digits and hyphens", b"-$")?;
        let example = "one of the account's two keys, in base64";
        Ok(AzureSettings {
            account: account.to_owned(),
            container: container.to_owned(),
            access_key: self.secret("storage.azure.access_key", raw.access_key.as_ref(), example)?,
            endpoint: self.other_endpoint("storage.azure.endpoint", raw.endpoint.as_deref())?,
            prefix: self.prefix("storage.azure.prefix", &raw.prefix)?,
        })
    }

    fn secret(&self, option: &str, given: Option<&Secret>, example: &str) -> Result<Zeroizing<String>, SettingsError> {
        self.values.required(option, given.map(Secret::expose), example).map(|text| text.to_owned().into())
    }

    fn other_endpoint(&self, option: &str, given: Option<&str>) -> Result<Option<String>, SettingsError> {
        given.filter(|text| !text.is_empty()).map(|text| self.endpoint(option, text)).transpose()
    }
}
