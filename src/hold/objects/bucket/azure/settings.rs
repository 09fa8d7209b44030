//! The settings of a container of Azure Blob Storage.

use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::objects::bucket::folder::shown;
use crate::objects::bucket::http::Http;
use crate::objects::bucket::secrets::{conceal, expose};
use server::storage::StorageError;

/// The settings of a container of Azure Blob Storage. Contains the account's key, also when serialized.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AzureSettings {
    /// The storage account's name.
    pub account: String,
    /// The container's name.
    pub container: String,
    /// The account's key, in base64.
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub access_key: Zeroizing<String>,
    /// The account's URL; `None` is `https://<account>.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// A folder inside the container for everything of this hold; may be empty. Slashes at its ends do not count.
    pub prefix: String,
}

impl std::fmt::Debug for AzureSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl AzureSettings {
    /// Returns the name of the container for messages, different for every container.
    pub(in crate::objects::bucket) fn name(&self) -> String {
        shown("azure", &self.container, &self.prefix, &self.account_url())
    }

    /// Returns the account's URL without a trailing slash.
    pub(super) fn account_url(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{}.blob.core.windows.net", self.account),
        }
    }

    pub(super) fn signer(&self, http: &Http) -> Result<MicrosoftAzure, StorageError> {
        let built = MicrosoftAzureBuilder::new()
            .with_http_connector(http.clone())
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_access_key(self.access_key.as_str())
            .with_endpoint(self.account_url())
            .build();
        // The error may show the key.
        built.map_err(|_| StorageError::failed("the Azure settings do not fit together: is the key the account's?"))
    }
}
