//! Handlers of manifests, which are read from and written to their owners' repositories.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use http::{Method, StatusCode};
use tokio::time::timeout;

use super::admission::ANSWER_TIME;
use super::refusal::OciError;
use super::response::DOCKER_CONTENT_DIGEST;
use super::state::OciState;
use crate::gate::{DeletePermit, PullPermit, PushPermit};
use crate::images::ParsedManifest;
use crate::names::Reference;
use crate::repos::MAX_MANIFEST_BYTES;
use server::egress::answer_within;
use server::wire::{BodyFault, Request, Response, ResponseBody};
use server::xrpc::response::set_header;
use server::xrpc::{header, is_known, not_modified};

/// Time limit for the body of a manifest: 5 MiB at 43 KiB/s. One account has two slots for them.
const BODY_TIME: Duration = Duration::from_secs(120);
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// Handles `GET` and `HEAD` of a manifest.
pub(super) async fn get(
    state: Arc<OciState>,
    permit: PullPermit,
    reference: Reference,
    request: Request,
) -> Result<Response, OciError> {
    let owner = state.owners.find(&permit.repository().owner, permit.caller()).await?;
    let found = state.images.pull(&permit, &owner, &reference).await?;
    let manifest = found.ok_or_else(OciError::manifest_unknown)?;
    let etag = format!("\"{}\"", manifest.digest);
    let is_known = is_known(&request.head, &etag);
    if request.head.method == Method::GET && !is_known {
        state.images.pulled(&permit, &owner, &reference, &manifest);
    }
    let mut response = match is_known {
        true => not_modified(),
        false => Response::new(ResponseBody::full(manifest.bytes)),
    };
    set_header(&mut response, CONTENT_TYPE, &manifest.media_type);
    set_header(&mut response, ETAG, &etag);
    set_header(&mut response, DOCKER_CONTENT_DIGEST, &manifest.digest.to_string());
    response.extensions_mut().insert(manifest.digest);
    Ok(response)
}

/// Handles `PUT` of a manifest.
pub(super) async fn put(
    state: Arc<OciState>,
    permit: PushPermit,
    reference: Reference,
    request: Request,
) -> Result<Response, OciError> {
    let owner = state.owner_of(permit.repository(), permit.login()).await?;
    let media_type = header(&request.head, "content-type").map(str::to_owned);
    let body = request.body.collect(MAX_MANIFEST_BYTES as u64);
    let bytes = timeout(BODY_TIME, body).await.map_err(|_| BodyFault::TimedOut)??;
    let manifest = ParsedManifest::parse(bytes, media_type.as_deref())?;
    let pushing = async { Ok::<_, OciError>(state.images.push(&permit, &owner, &reference, &manifest).await?) };
    answer_within(ANSWER_TIME, pushing).await?;
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::CREATED;
    let location = format!("/v2/{}/manifests/{}", permit.repository().as_str(), manifest.digest);
    set_header(&mut response, LOCATION, &location);
    set_header(&mut response, DOCKER_CONTENT_DIGEST, &manifest.digest.to_string());
    if let Some(subject) = manifest.subject {
        set_header(&mut response, OCI_SUBJECT, &subject.to_string());
    }
    response.extensions_mut().insert(manifest.digest);
    Ok(response)
}

/// Handles `DELETE` of a manifest or a tag.
pub(super) async fn delete(
    state: Arc<OciState>,
    permit: DeletePermit,
    reference: Reference,
) -> Result<Response, OciError> {
    let owner = state.owner_of(permit.repository(), permit.login()).await?;
    if !state.images.delete(&permit, &owner, &reference).await? {
        return Err(OciError::manifest_unknown());
    }
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
