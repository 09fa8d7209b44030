//! Uploads of a blob to a hold: begin, parts, completion, abort.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{COMPLETE_TIME, Holds, HoldsError};
use crate::accounts::Login;
use crate::remote::RemoteError;
use atproto::lexicon::error as name;
use atproto::lexicon::nsid;
use atproto::lexicon::{
    AbortUpload, CompleteUpload, CompletedPart, GetPartUploadUrl, InitiateUpload, UploadIdOutput, UploadStatus,
};
use atproto::syntax::{Digest, HoldId};
use server::egress::ClientBody;

/// The hold's `partLength` of an upload whose parts may have any length.
const ANY_LENGTH: &str = "any";
/// Longest id of an upload, and longest ETag of a part, in bytes: a stranger's hold chooses them, and they are stored.
const MAX_ID_BYTES: usize = 1024;
const MAX_ETAG_BYTES: usize = 256;

/// The answer to `getPartUploadUrl`. A hold may leave its other fields out: the URL needs no header.
#[derive(Deserialize)]
struct PartUrl {
    url: String,
}

/// An upload at a hold.
#[derive(Clone, Debug)]
pub struct UploadAtHold {
    /// The hold that gets the blob.
    pub hold: HoldId,
    /// The session of the account that uploads.
    pub login: Login,
    /// The hold's id of the upload.
    pub id: String,
    /// Whether parts may have any length, also one that is not known in advance.
    pub any_length: bool,
}

impl Holds {
    /// Starts an upload under the temporary name `name`.
    ///
    /// # Errors
    /// [`HoldsError`]; [`HoldsError::Silent`] also for the error of a proxy before a hold that is down; the same below.
    pub async fn initiate(&self, hold: &HoldId, login: &Login, name: &str) -> Result<UploadAtHold, HoldsError> {
        let input = InitiateUpload { digest: format!("uploads/temp-{name}") };
        let output = self.call::<UploadIdOutput>(hold, login, nsid::INITIATE_UPLOAD, &input).await;
        let output = output.map_err(HoldsError::silent_if_of_a_proxy)?;
        if output.upload_id.len() > MAX_ID_BYTES {
            return Err(HoldsError::of(hold, RemoteError::Unintelligible));
        }
        let any_length = output.part_length.as_deref() == Some(ANY_LENGTH);
        Ok(UploadAtHold { hold: hold.clone(), login: login.clone(), id: output.upload_id, any_length })
    }

    /// Sends a part of `length_bytes`, or of all of its body if that is `None`. Returns the ETag.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn send_part(
        &self,
        upload: &UploadAtHold,
        number: usize,
        length_bytes: Option<u64>,
        body: ClientBody,
    ) -> Result<String, HoldsError> {
        let UploadAtHold { hold, login, id, .. } = upload;
        let input = GetPartUploadUrl { upload_id: id.clone(), part_number: json!(number) };
        let target = self.call::<PartUrl>(hold, login, nsid::GET_PART_UPLOAD_URL, &input).await;
        let target = target.map_err(HoldsError::silent_if_of_a_proxy)?;
        match self.remote.put_part(&target.url, length_bytes, body).await {
            // The hold's store has lost the upload, of which the hold learns only now.
            Err(RemoteError::Refused { status: StatusCode::NOT_FOUND, message, .. }) => {
                if let Err(error) = self.abort(upload).await {
                    tracing::debug!(%error, "an upload that its store has lost stays at the hold until it is swept");
                }
                let (hold, name) = (hold.did().clone(), name::INVALID_UPLOAD_ID.to_owned());
                Err(HoldsError::Refused { hold, status: StatusCode::NOT_FOUND, name, message })
            }
            Ok(etag) if etag.len() > MAX_ETAG_BYTES => Err(HoldsError::of(hold, RemoteError::Unintelligible)),
            sent => sent.map_err(|error| HoldsError::of(hold, error)),
        }
    }

    /// Completes an upload: the hold makes a blob of the parts, and checks the digest.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn complete(&self, upload: &UploadAtHold, digest: &Digest, etags: &[String]) -> Result<(), HoldsError> {
        let part = |(number, etag): (usize, &String)| CompletedPart { part_number: json!(number), etag: etag.clone() };
        let input = CompleteUpload {
            upload_id: upload.id.clone(),
            digest: digest.to_string(),
            parts: (1..).zip(etags).map(part).collect(),
        };
        let completed = self
            .call_within::<UploadStatus>(COMPLETE_TIME, &upload.hold, &upload.login, nsid::COMPLETE_UPLOAD, &input)
            .await;
        completed.map(drop).map_err(HoldsError::silent_if_of_a_proxy)
    }

    /// Aborts an upload.
    ///
    /// # Errors
    /// [`HoldsError`]
    pub async fn abort(&self, upload: &UploadAtHold) -> Result<(), HoldsError> {
        let input = AbortUpload { upload_id: upload.id.clone() };
        self.call::<UploadStatus>(&upload.hold, &upload.login, nsid::ABORT_UPLOAD, &input).await.map(drop)
    }
}
