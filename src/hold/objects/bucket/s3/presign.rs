//! URLs that let a client talk to the store itself.
//!
//! Whoever has one can use it until it expires; it cannot be called back.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use http::Method;
use object_store::signer::SignedUrlOptions;
use url::Url;

use super::S3;
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::{PART_URL_S, READ_URL_S, ResponseHeaders};
use server::storage::StorageError;

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
        self.client.presign(Method::PUT, key, PART_URL_S, &SignedUrlOptions::new().with_query(query)).await
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
        let url = self.client.presign(method, key, READ_URL_S, &SignedUrlOptions::new().with_query(query)).await?;
        Ok(match &self.pull_zone {
            // The CDN asks the store with the store's own host, for which the signature is.
            Some(origin) => format!("{origin}{}", &url[url::Position::BeforePath..]),
            None => url.into(),
        })
    }
}
