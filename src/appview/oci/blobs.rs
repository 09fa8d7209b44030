//! Blobs: pulls are redirected to the hold; uploads pass through here to the hold.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs>

use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, RANGE};
use http::request::Parts;
use http::{Method, StatusCode};

use super::admission::ANSWER_TIME;
use super::refusal::OciError;
use super::relay;
use super::response::DOCKER_CONTENT_DIGEST;
use super::route::{self, query};
use super::state::OciState;
use crate::gate::{PullPermit, PushPermit};
use crate::holds::{HoldsError, Verb};
use crate::images::ImagesError;
use crate::uploads::{OpenUpload, UploadId, UploadsError};
use atproto::syntax::Digest;
use server::egress::answer_within;
use server::wire::{Request, RequestBody, Response, ResponseBody};
use server::xrpc::header;
use server::xrpc::response::set_header;

/// Handles `GET` and `HEAD` of a blob: 307 to the hold's URL, or the bytes if `proxy_blobs` is configured.
pub(super) async fn get(
    state: Arc<OciState>,
    permit: PullPermit,
    digest: Digest,
    request: Request,
) -> Result<Response, OciError> {
    let verb = if request.head.method == Method::HEAD { Verb::Head } else { Verb::Get };
    let owner = state.owners.find(&permit.repository().owner, permit.caller()).await?;
    let found = state.images.locate(&permit, &owner, &digest, verb).await;
    let found = found.map_err(|error| match error {
        ImagesError::Hold(HoldsError::Refused { status: StatusCode::UNAUTHORIZED, .. }) if permit.login().is_none() => {
            state.insufficient("the hold of this image is private: sign in", permit.repository(), "pull")
        }
        error => error.into(),
    });
    let url = found?.ok_or_else(OciError::blob_unknown)?;
    if state.policy.proxies_blobs() {
        return relay::answer(&state, &url, &digest, &request.head).await;
    }
    let mut response = answer(StatusCode::TEMPORARY_REDIRECT, &url, Some(&digest));
    // The URL is for this caller, and expires.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Handles `POST …/uploads/`: begins an upload, takes a whole blob (`digest`), or finds that the hold has the blob
/// (`mount`).
pub(super) async fn begin(state: Arc<OciState>, permit: PushPermit, request: Request) -> Result<Response, OciError> {
    let digest_in = |name: &str| query(&request.head, name).map(|digest| route::digest(&digest)).transpose();
    let (mount, whole) = (digest_in("mount")?, digest_in("digest")?);
    let id = (state.fresh_id)().ok_or_else(|| OciError::internal("the system gives no random numbers"))?;
    let beginning = async {
        let (login, name) = (permit.login(), permit.repository());
        let owner = state.owner_of(name, login).await?;
        let hold = state.holds.of_account(&owner).await?;
        if let Some(digest) = mount
            && state.holds.locate_for_push(&hold, &digest, login).await?.is_some()
        {
            return Ok(Some(digest));
        }
        state.uploads.begin(id, login, name.name.as_str(), &hold).await?;
        Ok::<_, OciError>(None)
    };
    if let Some(mounted) = answer_within(ANSWER_TIME, beginning).await? {
        return Ok(created(&permit, &mounted));
    }
    let Some(digest) = whole else {
        let mut response = answer(StatusCode::ACCEPTED, &upload_path(&permit, &id), None);
        set_header(&mut response, RANGE, "0-0");
        return Ok(response);
    };
    if let Err(error) = take_whole(&state, &permit, id, request.body, &digest).await {
        // The client does not know the upload's id, so it cannot continue it.
        if let Ok(upload) = lock(&state, &permit, id).await
            && let Err(error) = state.uploads.discard(upload).await
        {
            tracing::warn!(%error, "an upload that failed is forgotten later");
        }
        return Err(error.into());
    }
    Ok(created(&permit, &digest))
}

/// Takes the whole blob of an upload that has just begun.
async fn take_whole(
    state: &OciState,
    permit: &PushPermit,
    id: UploadId,
    body: RequestBody,
    digest: &Digest,
) -> Result<(), UploadsError> {
    let mut upload = lock(state, permit, id).await?;
    state.uploads.append(&mut upload, body, true).await?;
    state.uploads.finish(upload, digest).await
}

/// Locks and returns an upload into the permit's repository; waits while another request has it.
async fn lock(state: &OciState, permit: &PushPermit, id: UploadId) -> Result<OpenUpload, UploadsError> {
    state.uploads.lock(id, permit.login(), permit.repository().name.as_str()).await
}

/// Handles `GET`, `HEAD`, `PATCH`, `PUT` and `DELETE` of an upload.
pub(super) async fn upload(
    state: Arc<OciState>,
    permit: PushPermit,
    id: UploadId,
    request: Request,
) -> Result<Response, OciError> {
    let (head, body) = (request.head, request.body);
    let mut upload = lock(&state, &permit, id).await?;
    match head.method {
        Method::GET | Method::HEAD => Ok(progress(StatusCode::NO_CONTENT, &permit, &id, &upload)),
        Method::DELETE => {
            state.uploads.discard(upload).await?;
            Ok(answer(StatusCode::NO_CONTENT, "", None))
        }
        Method::PATCH => {
            check_range(&head, &permit, &id, &upload)?;
            state.uploads.append(&mut upload, body, false).await?;
            Ok(progress(StatusCode::ACCEPTED, &permit, &id, &upload))
        }
        Method::PUT => {
            let digest = query(&head, "digest").ok_or_else(|| OciError::digest_invalid("the query needs a digest"))?;
            let digest = route::digest(&digest)?;
            if upload.is_whole(&digest) {
                // The body is empty, or comes again: the client did not get the answer to this request.
                upload = state.uploads.check_repetition(upload, body).await?;
            } else {
                check_range(&head, &permit, &id, &upload)?;
                state.uploads.append(&mut upload, body, true).await?;
            }
            state.uploads.finish(upload, &digest).await?;
            Ok(created(&permit, &digest))
        }
        _ => Err(OciError::method_not_allowed("GET, HEAD, PATCH, PUT, DELETE")),
    }
}

/// Refuses a `Content-Range` that does not begin at the upload's offset, with 416. The header may be absent.
fn check_range(head: &Parts, permit: &PushPermit, id: &UploadId, upload: &OpenUpload) -> Result<(), OciError> {
    let Some(range) = header(head, "content-range") else { return Ok(()) };
    let start = range.strip_prefix("bytes ").unwrap_or(range).split('-').next().and_then(|start| start.parse().ok());
    if start == Some(upload.offset()) {
        return Ok(());
    }
    Err(OciError::out_of_order(&upload_path(permit, id), &range_of(upload.offset())))
}

/// Returns the `Range` of the received bytes as the specification writes it: it ends with the offset of the last byte,
/// which is 0 also when there is none.
fn range_of(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

fn progress(status: StatusCode, permit: &PushPermit, id: &UploadId, upload: &OpenUpload) -> Response {
    let mut response = answer(status, &upload_path(permit, id), None);
    set_header(&mut response, RANGE, &range_of(upload.offset()));
    response
}

fn created(permit: &PushPermit, digest: &Digest) -> Response {
    let location = format!("/v2/{}/blobs/{digest}", permit.repository().as_str());
    answer(StatusCode::CREATED, &location, Some(digest))
}

fn upload_path(permit: &PushPermit, id: &UploadId) -> String {
    format!("/v2/{}/blobs/uploads/{}", permit.repository().as_str(), HEXLOWER.encode(id))
}

/// Returns a response without a body, with `Location` unless it is empty, and with the digest if there is one.
fn answer(status: StatusCode, location: &str, digest: Option<&Digest>) -> Response {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    if !location.is_empty() {
        set_header(&mut response, LOCATION, location);
    }
    if let Some(digest) = digest {
        set_header(&mut response, DOCKER_CONTENT_DIGEST, &digest.to_string());
        response.extensions_mut().insert(*digest);
    }
    response
}
