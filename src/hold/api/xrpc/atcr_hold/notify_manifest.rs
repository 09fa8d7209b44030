//! `io.atcr.hold.notifyManifest`: records the push or pull of a manifest.
//!
//! The token of a push is that of the image's owner, who must have write access. That of a pull is the puller's, who
//! needs read access only.

use std::sync::Arc;

use http::StatusCode;

use crate::api::request::MANIFEST_BYTES;
use crate::api::state::ApiState;
use crate::gate::AccountPermit;
use crate::images::{Image, Push};
use atproto::lexicon::{ImageOperation, NotifyManifest, NotifyManifestOutput, error};
use server::wire::{Request, Response};
use server::xrpc::{Error, json, response};

const PUSH: &str = "push";
const PULL: &str = "pull";

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: AccountPermit,
    request: Request,
) -> Result<Response, Error> {
    let input: NotifyManifest = json(request, MANIFEST_BYTES).await?;
    let output = match input.operation.as_deref() {
        None | Some(PUSH) => push(&state, &permit, input).await?,
        Some(PULL) => pull(&state, &permit, &input).await?,
        Some(_) => {
            let message = "operation must be push or pull";
            return Err(Error::new(StatusCode::BAD_REQUEST, error::INVALID_OPERATION, message));
        }
    };
    Ok(response::json(&output))
}

/// Records a push. A refusal is logged: the manifest is in its owner's repository, and nothing here refers to its blobs
/// until garbage collection asks there.
async fn push(state: &ApiState, permit: &AccountPermit, input: NotifyManifest) -> Result<NotifyManifestOutput, Error> {
    let (repository, manifest) = (input.repository.clone(), input.manifest_digest.clone());
    let outcome = record(state, permit, input).await;
    if let Err(error) = &outcome {
        let account = permit.account();
        tracing::warn!(
            did = %account, ?repository, ?manifest, status = error.status().as_u16(), error = error.name(),
            "push not recorded: manifest {manifest:.80?} of {repository:.80?} by {account}: {}", error.message()
        );
    }
    outcome
}

async fn record(
    state: &ApiState,
    permit: &AccountPermit,
    input: NotifyManifest,
) -> Result<NotifyManifestOutput, Error> {
    if input.user_did != *permit.account() {
        let message = "userDid must be the account whose token this is";
        return Err(Error::new(StatusCode::FORBIDDEN, error::USER_MISMATCH, message));
    }
    state.gate.still_write(permit.account().clone()).await?;
    let pushed = state.hold.images.push(Push::of(input)?, state.hold.now_us()).await?;
    Ok(NotifyManifestOutput {
        success: true,
        operation: ImageOperation::Push,
        stats_updated: true,
        layers_created: Some(pushed.layers_created),
        post_created: Some(pushed.post.is_some()),
        post_uri: pushed.post,
    })
}

async fn pull(state: &ApiState, permit: &AccountPermit, input: &NotifyManifest) -> Result<NotifyManifestOutput, Error> {
    state.gate.may_read(permit).await?;
    let stats_updated = state.hold.images.pull(&Image::of(input)?, state.hold.now_us()).await?;
    Ok(NotifyManifestOutput {
        success: true,
        operation: ImageOperation::Pull,
        stats_updated,
        layers_created: None,
        post_created: None,
        post_uri: None,
    })
}
