//! The repository as a file.

use std::io;
use std::sync::Arc;

use futures_util::stream;
use serde::{Deserialize, Serialize};

use super::{AdminError, ByteStream, Export, Hold};
use crate::pds::PdsError;

/// The whole repository as a CAR.
#[derive(Debug, Serialize, Deserialize)]
pub struct RepoExport {}

impl Export for RepoExport {
    const NAME: &'static str = "repo.export";

    async fn open(self, hold: Arc<Hold>) -> Result<ByteStream, AdminError> {
        let failed = |error: PdsError| AdminError::failed(error.to_string());
        let none = || AdminError::failed("this hold has no repository yet: start it once");
        let blocks = hold.pds.export(None).await.map_err(failed)?.ok_or_else(none)?;
        Ok(Box::pin(stream::unfold(blocks, |mut blocks| async move {
            let chunk = blocks.recv().await?;
            Some((chunk.map_err(io::Error::other), blocks))
        })))
    }
}
