//! URLs that let a client talk to the store itself.
//!
//! Whoever has one can use it until it expires; it cannot be called back.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::time::Duration;

use http::Method;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use url::Url;

use super::S3;
use super::fault::Fault;
use super::http::innermost;
use crate::storage::StorageError;

/// How long a part may be uploaded, in seconds.
pub const PART_URL_S: u64 = 900;
/// How long an object may be read, in seconds.
pub const READ_URL_S: u64 = 300;

/// What the store is to say about an object that is read by URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Disposition`
    pub content_disposition: Option<String>,
}

impl S3 {
    /// A URL to which one part may be PUT, for [`PART_URL_S`].
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_part(&self, key: &str, id: &str, number: u16) -> Result<String, StorageError> {
        Ok(self.part_url(key, id, number).await?.into())
    }

    pub(super) async fn part_url(&self, key: &str, id: &str, number: u16) -> Result<Url, Fault> {
        let query = [("partNumber", number.to_string()), ("uploadId", id.to_owned())];
        self.presign(Method::PUT, key, PART_URL_S, &SignedUrlOptions::new().with_query(query)).await
    }

    /// A URL by which an object may be read with this very method, GET or HEAD, for [`READ_URL_S`]. With a pull
    /// zone, it is on the CDN.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn presign_read(
        &self,
        method: Method,
        key: &str,
        headers: &ResponseHeaders,
    ) -> Result<String, StorageError> {
        let wanted = [
            ("response-content-type", &headers.content_type),
            ("response-content-disposition", &headers.content_disposition),
        ];
        let query = wanted.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let url = self.presign(method, key, READ_URL_S, &SignedUrlOptions::new().with_query(query)).await?;
        Ok(match &self.pull_zone {
            // The CDN asks the store with the store's own host, for which the signature is.
            Some(origin) => format!("{origin}{}", &url[url::Position::BeforePath..]),
            None => url.into(),
        })
    }

    async fn presign(&self, method: Method, key: &str, valid_s: u64, options: &SignedUrlOptions) -> Result<Url, Fault> {
        let path = Path::parse(format!("{}{key}", self.client.prefix));
        let path = path.map_err(|_| Fault::Senseless("a key is not a path"))?;
        let signed = self.client.signer.signed_url_opts(method, &path, Duration::from_secs(valid_s), options).await;
        signed.map_err(|error| Fault::NoCredentials(innermost(&error)))
    }
}
