//! Operations on the repository: export, import, verify.

use std::io;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::crew::import_rules;
use crate::hold::Hold;
use crate::images;
use crate::pds::{ImportFile, ImportProgress, PdsError};
use atproto::keys::PublicKey;
use server::control::{AdminError, ByteStream, Export, Import, Operation, Progress, Reporter};

/// Exports the whole repository as a CAR file.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepoExport {}

impl Export for RepoExport {
    const NAME: &'static str = "repo.export";
    type Subject = Hold;

    async fn open(self, hold: Arc<Hold>) -> Result<ByteStream, AdminError> {
        let blocks = hold.pds.export(None).await.map_err(failed)?.ok_or_else(no_repository)?;
        Ok(Box::pin(stream::unfold(blocks, |mut blocks| async move {
            let chunk = blocks.recv().await?;
            Some((chunk.map_err(io::Error::other), blocks))
        })))
    }
}

/// Imports the repository of a CAR file into a new hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoImport {
    /// The `did:key` that signed the file, where that is not the hold's own.
    pub signed_by: Option<String>,
}

/// The result of an import.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoImported {
    /// Number of records in the file.
    pub records: u64,
    /// Number of distinct blocks in the file.
    pub blocks: u64,
    /// Number of these that are of an earlier commit, and were left out.
    pub left_out: u64,
    /// The revision in the file.
    pub imported_rev: String,
    /// The revision of the hold's commit above the import.
    pub rev: String,
    /// The CID of that commit.
    pub commit: String,
    /// Number of records changed afterwards to match the configuration.
    pub reconciled: usize,
}

impl Import for RepoImport {
    const NAME: &'static str = "repo.import";
    type Subject = Hold;
    type Output = RepoImported;

    async fn run(self, bytes: ByteStream, hold: Arc<Hold>, reporter: Reporter) -> Result<RepoImported, AdminError> {
        let signed_by = self.signed_by.as_deref().map(PublicKey::from_did_key).transpose();
        let signed_by = signed_by.map_err(|error| AdminError::failed(error.to_string()))?;
        // Received completely before it is read: the transaction must not wait for the sender.
        let (spool, size_bytes) = spooled(bytes, &hold, &reporter).await?;
        // All of it is written to the log, and from there to the database.
        let promised = hold.pds.reserve(size_bytes.saturating_mul(2)).await.map_err(failed)?;
        let file = ImportFile { bytes: spool, signed_by };
        let work = async move {
            let progress = move |progress: ImportProgress| {
                let (done, unit) = match progress {
                    ImportProgress::Blocks(blocks) => (blocks, "blocks"),
                    ImportProgress::Records(records) => (records, "records"),
                };
                reporter.report(Progress { done, total: None, unit: unit.into() });
            };
            let imported = hold.pds.import(hold.now_us(), file, import_rules(images::rebuild), progress).await;
            drop(promised);
            let imported = imported.map_err(|error| AdminError::failed(error.to_string()))?;
            let reconciled = hold.crew.reconcile(&hold.declared(), hold.now_us()).await.map_err(|error| {
                AdminError::failed(format!("imported, but the configuration could not be followed: {error}"))
            })?;
            Ok(RepoImported {
                records: imported.records,
                blocks: imported.blocks,
                left_out: imported.left_out,
                imported_rev: imported.imported_rev.to_string(),
                rev: imported.rev.to_string(),
                commit: imported.commit.to_string(),
                reconciled,
            })
        };
        // A task of its own: it runs to its end, also when the client disconnects, as the configuration is applied
        // last.
        tokio::spawn(work).await.map_err(|_| AdminError::failed("the import panicked"))?
    }
}

/// Writes the bytes to an unnamed file; returns it and its size in bytes.
async fn spooled(mut bytes: ByteStream, hold: &Hold, reporter: &Reporter) -> Result<(std::fs::File, u64), AdminError> {
    let failed_writing = |error: io::Error| AdminError::failed(format!("the file cannot be kept meanwhile: {error}"));
    let mut file = tokio::fs::File::from_std(hold.pds.spool().map_err(failed)?);
    let mut done = 0;
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|error| AdminError::failed(format!("the file cannot be read: {error}")))?;
        let promised = hold.pds.reserve(piece.len() as u64).await.map_err(failed)?;
        file.write_all(&piece).await.map_err(failed_writing)?;
        // tokio writes files in the background: the reservation may end when this write has.
        file.flush().await.map_err(failed_writing)?;
        drop(promised);
        done += piece.len() as u64;
        reporter.report(Progress { done, total: None, unit: "bytes".into() });
    }
    file.rewind().await.map_err(failed_writing)?;
    Ok((file.into_std().await, done))
}

/// Verifies all stored data of the repository.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepoVerify {}

/// The result of a verification.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepoVerified {
    /// Number of records in the tree.
    pub records: u64,
    /// Number of nodes in the tree.
    pub nodes: u64,
    /// Number of blocks in all.
    pub blocks: u64,
    /// Number of rows that cannot be judged because of a damaged node.
    pub unjudged: u64,
    /// The number of findings.
    pub found: u64,
    /// The findings; only the first part of very many.
    pub findings: Vec<Found>,
    /// Seconds by which the newest revision is ahead of the hold's clock, where relays refuse it; else `null`.
    #[serde(default)]
    pub rev_ahead_s: Option<u64>,
}

/// A finding: something that is damaged or missing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// The kind of the finding.
    pub kind: String,
    /// The path of a record, or the CID of a block.
    pub subject: String,
    /// The reason.
    pub reason: String,
}

impl Operation for RepoVerify {
    const NAME: &'static str = "repo.verify";
    type Subject = Hold;
    type Output = RepoVerified;

    async fn run(self, hold: Arc<Hold>, reporter: Reporter) -> Result<RepoVerified, AdminError> {
        let progress = move |done, total| {
            reporter.report(Progress { done, total: Some(total), unit: "records".into() });
        };
        let verified = hold.pds.verify(progress).await.map_err(failed)?.ok_or_else(no_repository)?;
        let head = hold.pds.head().await.map_err(failed)?;
        let found = |finding: crate::pds::Finding| Found {
            kind: finding.kind.name().into(),
            subject: finding.subject,
            reason: finding.reason,
        };
        Ok(RepoVerified {
            records: verified.records,
            nodes: verified.nodes,
            blocks: verified.blocks,
            unjudged: verified.unjudged,
            found: verified.found,
            findings: verified.findings.into_iter().map(found).collect(),
            rev_ahead_s: head.and_then(|head| head.ahead_s(hold.now_us())),
        })
    }
}

fn failed(error: PdsError) -> AdminError {
    AdminError::failed(error.to_string())
}

fn no_repository() -> AdminError {
    AdminError::failed("this hold has no repository yet: start it once")
}
