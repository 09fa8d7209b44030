//! A part that streams through the hold into the store.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>

use bytes::Bytes;
use futures_util::stream::Stream;
use http::Method;
use http::header::ETAG;

use super::S3;
use crate::objects::bucket::PartError;
use crate::objects::bucket::client::Call;
use crate::objects::bucket::fault::Fault;

impl S3 {
    /// Sends a part of `size_bytes` and answers its ETag, in quotes. A part of that number is replaced.
    /// It is sent once, because the body can be read only once: whoever has the body repeats it.
    ///
    /// # Errors
    /// [`PartError`]: the store has no part of that number then, or the one it had.
    pub async fn upload_part<B, E>(
        &self,
        key: &str,
        id: &str,
        number: u16,
        size_bytes: u64,
        body: B,
    ) -> Result<String, PartError<E>>
    where
        B: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
    {
        let call = Call::on(Method::PUT, key).query("partNumber", number.to_string()).query("uploadId", id);
        let answer = self.client.send_part(&call, size_bytes, body).await?;
        match answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()) {
            Some(etag) => Ok(etag.to_owned()),
            None => Err(PartError::Storage(Fault::Senseless("a part has no ETag").into())),
        }
    }
}
