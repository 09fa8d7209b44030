//! Operations that hand records of crew and images over to a hold under another address, and import them there.
//!
//! The file has lines of JSON, each an [`Entry`]; the first names the exporting hold.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::hold::Hold;
use crate::images::{Entry, HandOverCursor, ImagesError, MAX_ENTRIES, TakenOver};
use server::control::{AdminError, ByteStream, Export, Import, Progress, Reporter};

/// Limit of a line: a crew record has at most 8 KiB as JSON, other records less.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Exports the records that the successor needs.
#[derive(Debug, Serialize, Deserialize)]
pub struct SuccessorExport {}

impl Export for SuccessorExport {
    const NAME: &'static str = "successor.export";
    type Subject = Hold;

    async fn open(self, hold: Arc<Hold>) -> Result<ByteStream, AdminError> {
        // Pulls that are in no record yet are handed over too.
        hold.images.write_counts(hold.now_us()).await.map_err(failed)?;
        let first = lines(&[Entry::Hold(hold.pds.did().clone())]);
        let rest = stream::unfold(Some(HandOverCursor::default()), move |place| {
            let images = hold.images.clone();
            async move {
                let page = images.hand_over(place?).await;
                Some(match page {
                    Ok((entries, next)) => (Ok(lines(&entries)), next),
                    Err(error) => (Err(std::io::Error::other(error)), None),
                })
            }
        });
        Ok(Box::pin(stream::iter([Ok(first)]).chain(rest)))
    }
}

fn lines(entries: &[Entry]) -> Bytes {
    let mut bytes = Vec::new();
    for entry in entries {
        // Only maps with keys that are not text fail to serialize, and entries have none.
        bytes.extend(serde_json::to_vec(entry).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes.into()
}

/// Imports the file of another hold. Repeated, it changes nothing.
#[derive(Debug, Serialize, Deserialize)]
pub struct SuccessorImport {}

/// The result of an import.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuccessorImported {
    /// DID of the hold that exported it.
    pub from: String,
    /// Numbers of records imported, here already, and left out.
    #[serde(flatten)]
    pub taken: TakenOver,
}

impl Import for SuccessorImport {
    const NAME: &'static str = "successor.import";
    type Subject = Hold;
    type Output = SuccessorImported;

    async fn run(
        self,
        bytes: ByteStream,
        hold: Arc<Hold>,
        reporter: Reporter,
    ) -> Result<SuccessorImported, AdminError> {
        let mut entries = Entries { bytes, held: BytesMut::new(), line: 0 };
        let from = match entries.next().await? {
            Some(Entry::Hold(did)) if did == *hold.pds.did() => {
                return Err(AdminError::failed("the file is this hold's own: import it in the hold that follows it"));
            }
            Some(Entry::Hold(did)) => did.to_string(),
            _ => return Err(AdminError::failed("the file is not one of successor export")),
        };
        let mut taken = TakenOver::default();
        loop {
            let mut batch = Vec::new();
            while batch.len() < MAX_ENTRIES
                && let Some(entry) = entries.next().await?
            {
                batch.push(entry);
            }
            let is_last = batch.len() < MAX_ENTRIES;
            let some = hold.images.take_over(batch, hold.now_us()).await.map_err(failed)?;
            taken = sum(&taken, &some);
            reporter.report(Progress { done: entries.line, total: None, unit: "records".into() });
            if is_last {
                return Ok(SuccessorImported { from, taken });
            }
        }
    }
}

fn sum(one: &TakenOver, other: &TakenOver) -> TakenOver {
    TakenOver {
        members: one.members + other.members,
        manifests: one.manifests + other.manifests,
        layers: one.layers + other.layers,
        stats: one.stats + other.stats,
        kept: one.kept + other.kept,
        left_out: one.left_out + other.left_out,
    }
}

/// The entries of a file, read as it arrives.
struct Entries {
    bytes: ByteStream,
    held: BytesMut,
    line: u64,
}

impl Entries {
    /// Returns the next entry; `None` at the end, which must be the end of a line.
    async fn next(&mut self) -> Result<Option<Entry>, AdminError> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                self.line += 1;
                let line = self.held.split_to(end + 1);
                let wrong = |error| AdminError::failed(format!("line {} of the file is wrong: {error}", self.line));
                return serde_json::from_slice(&line).map(Some).map_err(wrong);
            }
            if self.held.len() > MAX_LINE_BYTES {
                return Err(AdminError::failed(format!("line {} of the file is too long", self.line + 1)));
            }
            match self.bytes.next().await {
                Some(Ok(piece)) => self.held.extend_from_slice(&piece),
                Some(Err(error)) => return Err(AdminError::failed(format!("the file cannot be read: {error}"))),
                None if self.held.is_empty() => return Ok(None),
                None => return Err(AdminError::failed("the file ends within a line: export it again")),
            }
        }
    }
}

fn failed(error: ImagesError) -> AdminError {
    AdminError::failed(error.to_string())
}
