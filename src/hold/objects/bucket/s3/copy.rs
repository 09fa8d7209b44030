//! Copies inside the bucket, pinned to the ETag that was verified.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::header::HeaderName;
use http::{Method, StatusCode};

use super::S3;
use super::xml::CopiedPart;
use crate::objects::bucket::client::{Call, LONG_TIMEOUT, encode};
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::provider::Multipart as _;
use crate::objects::bucket::{Completed, Copied, CopySource, xml};

static SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
/// Pieces of one object copied at once.
const PIECES_AT_ONCE: usize = 4;

impl S3 {
    pub(super) async fn copy_object(&self, source: CopySource<'_>, to: &str) -> Result<Copied, Fault> {
        let copied = if source.size_bytes <= self.copy.single_max_bytes {
            self.copy_whole(source, to).await
        } else {
            match self.copy_in_pieces(source, to).await {
                // A store that cannot copy a piece (rclone) may have no size limit for a whole copy.
                Err(fault) if fault.is_not_understood() => self.copy_whole(source, to).await,
                copied => copied,
            }
        };
        match copied {
            Ok(()) => self.client.check_copy(source, to).await,
            Err(fault) if fault.is_missing() || is_precondition(&fault) => Ok(Copied::SourceChanged),
            Err(fault) => Err(fault),
        }
    }

    async fn copy_whole(&self, source: CopySource<'_>, to: &str) -> Result<(), Fault> {
        self.client.exchange(&self.pinned(Call::on(Method::PUT, to), source)).await.map(drop)
    }

    /// Adds the source to a request, with the condition that it is unchanged.
    fn pinned(&self, call: Call, source: CopySource<'_>) -> Call {
        let dialect = self.dialect;
        let mut path = String::from(dialect.copy_root);
        for text in [&self.client.bucket, "/", &self.client.prefix, source.key] {
            encode(text, true, &mut path);
        }
        let call = call.header(dialect.copy_source.clone(), &path);
        call.header(dialect.copy_source_if_match.clone(), &source.quoted_etag()).timeout(LONG_TIMEOUT)
    }

    async fn copy_in_pieces(&self, source: CopySource<'_>, to: &str) -> Result<(), Fault> {
        let id = self.create(to).await?;
        let outcome = self.copy_pieces(source, to, &id).await;
        if outcome.is_err()
            && let Err(error) = self.abort(to, &id).await
        {
            tracing::warn!(%error, "the pieces of a failed copy stay until they are swept");
        }
        outcome
    }

    async fn copy_pieces(&self, source: CopySource<'_>, to: &str, id: &str) -> Result<(), Fault> {
        let size_bytes = source.size_bytes;
        let part_bytes = self.copy.part_bytes;
        let pieces = (1..=u16::MAX).zip(0..size_bytes.div_ceil(part_bytes)).map(|(number, index)| {
            let start = index * part_bytes;
            let last = (start + part_bytes).min(size_bytes) - 1;
            let call = Call::on(Method::PUT, to)
                .query("partNumber", number.to_string())
                .query("uploadId", id)
                .header(SOURCE_RANGE.clone(), &format!("bytes={start}-{last}"));
            let call = self.pinned(call, source);
            async move {
                let answer = self.client.exchange(&call).await?;
                Ok::<_, Fault>((number, xml::parse::<CopiedPart>(answer.body())?.etag))
            }
        });
        let parts: Vec<_> = stream::iter(pieces).buffered(PIECES_AT_ONCE).try_collect().await?;
        match self.complete(to, id, &parts).await? {
            Completed::Object(_) => Ok(()),
            Completed::WrongParts { .. } | Completed::Unknown => {
                Err(Fault::InvalidResponse("the pieces of a copy are refused"))
            }
        }
    }
}

fn is_precondition(fault: &Fault) -> bool {
    fault.has_status(StatusCode::PRECONDITION_FAILED) || fault.has_code(&["PreconditionFailed"])
}
