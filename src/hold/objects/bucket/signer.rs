//! Signing of requests and URLs with the credentials of a provider.

use std::time::Duration;

use http::Method;
#[cfg(feature = "gcs")]
use http::header::{AUTHORIZATION, HeaderValue};
use object_store::aws::{AmazonS3, AwsAuthorizer};
#[cfg(feature = "azure")]
use object_store::azure::{AzureAuthorizer, MicrosoftAzure};
use object_store::client::HttpRequest;
#[cfg(feature = "gcs")]
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use url::Url;

use super::fault::Fault;
use server::egress::root_cause;

pub(super) enum Signer {
    /// AWS Signature Version 4, for this region.
    Aws { store: AmazonS3, region: String },
    /// A bearer token in requests, and signatures by the key of a service account in URLs.
    #[cfg(feature = "gcs")]
    Google(GoogleCloudStorage),
    /// The shared key of this storage account.
    #[cfg(feature = "azure")]
    Azure { store: MicrosoftAzure, account: String },
}

impl Signer {
    /// Signs a request just before it is sent; without `body_hash` the body is not signed.
    pub(super) async fn sign(&self, request: &mut HttpRequest, body_hash: Option<&[u8]>) -> Result<(), Fault> {
        match self {
            Self::Aws { store, region } => {
                let credential = store.credentials().get_credential().await.map_err(no_credentials)?;
                AwsAuthorizer::new(&credential, "s3", region)
                    .with_sign_payload(body_hash.is_some())
                    .try_authorize(request, body_hash)
                    .map_err(unsigned)
            }
            #[cfg(feature = "gcs")]
            Self::Google(store) => {
                let credential = store.credentials().get_credential().await.map_err(no_credentials)?;
                let token = HeaderValue::try_from(format!("Bearer {}", credential.bearer));
                let mut token = token.map_err(|_| Fault::InvalidResponse("a request cannot be signed"))?;
                token.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, token);
                Ok(())
            }
            #[cfg(feature = "azure")]
            Self::Azure { store, account } => {
                let credential = store.credentials().get_credential().await.map_err(no_credentials)?;
                AzureAuthorizer::new(&credential, account).try_authorize(request).map_err(unsigned)
            }
        }
    }

    /// Returns a presigned URL, which its holder may use with `method` until it expires.
    pub(super) async fn sign_url(
        &self,
        method: Method,
        path: &Path,
        valid: Duration,
        options: &SignedUrlOptions,
    ) -> Result<Url, Fault> {
        let signed = match self {
            Self::Aws { store, .. } => store.signed_url_opts(method, path, valid, options).await,
            #[cfg(feature = "gcs")]
            Self::Google(store) => store.signed_url_opts(method, path, valid, options).await,
            #[cfg(feature = "azure")]
            Self::Azure { store, .. } => store.signed_url_opts(method, path, valid, options).await,
        };
        signed.map_err(no_credentials)
    }
}

fn no_credentials(error: object_store::Error) -> Fault {
    Fault::NoCredentials(root_cause(&error))
}

fn unsigned(_: object_store::Error) -> Fault {
    Fault::InvalidResponse("a request cannot be signed")
}
