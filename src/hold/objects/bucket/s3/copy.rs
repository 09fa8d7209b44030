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
use crate::objects::bucket::{Completed, Copied, xml};

static SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
/// Pieces of one object copied at once.
const PIECES_AT_ONCE: usize = 4;

impl S3 {
    pub(super) async fn copy_object(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<Copied, Fault> {
        let copied = if size_bytes <= self.copy.single_max_bytes {
            self.copy_whole(from, etag, to).await
        } else {
            match self.copy_in_pieces(from, etag, to, size_bytes).await {
                // A store that cannot copy a piece (rclone) may have no size limit for a whole copy.
                Err(fault) if fault.is_not_understood() => self.copy_whole(from, etag, to).await,
                copied => copied,
            }
        };
        match copied {
            Ok(()) => self.client.check_copy(from, etag, to, size_bytes).await,
            Err(fault) if fault.is_missing() || is_precondition(&fault) => Ok(Copied::SourceChanged),
            Err(fault) => Err(fault),
        }
    }

    async fn copy_whole(&self, from: &str, etag: &str, to: &str) -> Result<(), Fault> {
        self.client.exchange(&self.pinned(Call::on(Method::PUT, to), from, etag)).await.map(drop)
    }

    fn pinned(&self, call: Call, from: &str, etag: &str) -> Call {
        let dialect = self.dialect;
        let mut source = String::from(dialect.copy_root);
        for text in [&self.client.bucket, "/", &self.client.prefix, from] {
            encode(text, true, &mut source);
        }
        let etag = format!("\"{}\"", etag.trim_matches('"'));
        let call = call.header(dialect.copy_source.clone(), &source);
        call.header(dialect.copy_source_if_match.clone(), &etag).timeout(LONG_TIMEOUT)
    }

    async fn copy_in_pieces(&self, from: &str, etag: &str, to: &str, size_bytes: u64) -> Result<(), Fault> {
        let id = self.create(to).await?;
        let outcome = self.copy_pieces(from, etag, to, size_bytes, &id).await;
        if outcome.is_err()
            && let Err(error) = self.abort(to, &id).await
        {
            tracing::warn!(%error, "the pieces of a failed copy stay until they are swept");
        }
        outcome
    }

    async fn copy_pieces(&self, from: &str, etag: &str, to: &str, size_bytes: u64, id: &str) -> Result<(), Fault> {
        let part_bytes = self.copy.part_bytes;
        let pieces = (1..=u16::MAX).zip(0..size_bytes.div_ceil(part_bytes)).map(|(number, index)| {
            let start = index * part_bytes;
            let last = (start + part_bytes).min(size_bytes) - 1;
            let call = Call::on(Method::PUT, to)
                .query("partNumber", number.to_string())
                .query("uploadId", id)
                .header(SOURCE_RANGE.clone(), &format!("bytes={start}-{last}"));
            let call = self.pinned(call, from, etag);
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
