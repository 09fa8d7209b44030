//! `com.atproto.sync.getBlob`: returns the URL of an image blob, by digest; or the bytes of an image's or a record's
//! blob, by CID, where an image's may be a redirect to the store.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use http::{Method, StatusCode};

use super::check_did;
use crate::api::blob_access::BlobAccess;
use crate::api::blob_bytes;
use crate::api::paths::BLOBS_PREFIX;
use crate::api::refusal;
use crate::api::request::parse_cid;
use crate::api::state::ApiState;
use crate::blobs::Target;
use crate::gate::ReadMethod;
use atproto::lexicon::{BlobLocation, nsid};
use atproto::repo::cid;
use atproto::syntax::Digest;
use server::identity::Pool;
use server::wire::{Request, Response, ResponseBody};
use server::xrpc::{Error, Query, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    access: BlobAccess,
    request: Request,
) -> Result<Response, Error> {
    let query = Query::of(&request.head);
    let permit = match access {
        BlobAccess::Published(blob) => {
            check_did(&state, &query)?;
            return blob_bytes::serve_published(blob, &request.head);
        }
        BlobAccess::Image(permit, _) => permit,
    };
    let name = query.required("cid")?;
    if name.starts_with("sha256:") {
        let digest = Digest::parse(name).map_err(|_| refusal::invalid_digest())?;
        return url_of(&state, digest, method(&query)?).await;
    }
    let cid = parse_cid("cid", name)?;
    check_did(&state, &query)?;
    let digest = cid::digest_of(&cid).ok_or_else(refusal::blob_not_found)?;
    match state.hold.blobs.read_target(&digest, request.head.method.clone(), state.hold.now_us()).await? {
        Some((Target::Store(url), _)) => redirect(&url),
        Some((Target::Hold, size)) => blob_bytes::serve(&state, &permit, digest, Some(size), &request).await,
        None => ask_successor(&state, &format!("cid={cid}")).await,
    }
}

/// Redirects to the successor for a blob that is not here. The token is for this hold: the successor demands its own,
/// unless it is public.
async fn ask_successor(state: &ApiState, blob: &str) -> Result<Response, Error> {
    let successor = state.hold.crew.successor().await?.ok_or_else(refusal::blob_not_found)?;
    let method = state.hold.resolver.hold_method(&successor, &nsid::SYNC_GET_BLOB, Pool::Members).await;
    let method = method.map_err(refusal::unavailable)?;
    // The document of a did:plc may name any address.
    if method == format!("{}/xrpc/{}", state.hold.pds.url(), nsid::SYNC_GET_BLOB) {
        return Err(refusal::blob_not_found());
    }
    let did = successor.did().as_str().replace('%', "%25");
    redirect(&format!("{method}?did={did}&{blob}"))
}

/// Returns a URL that needs no header, for a blob that exists: the method's form for registries.
async fn url_of(state: &ApiState, digest: Digest, method: ReadMethod) -> Result<Response, Error> {
    let verb = if method == ReadMethod::Head { Method::HEAD } else { Method::GET };
    let target = state.hold.blobs.read_target(&digest, verb.clone(), state.hold.now_us()).await?;
    let url = match target {
        None => return ask_successor(state, &format!("cid={digest}&method={verb}")).await,
        Some((Target::Store(url), _)) => url,
        Some((Target::Hold, size_bytes)) => {
            let query = state.urls.read_query(&digest, size_bytes, method, state.hold.now_s());
            format!("{}{BLOBS_PREFIX}{digest}?{query}", state.hold.pds.url())
        }
    };
    Ok(response::about(digest, response::json(&BlobLocation { url })))
}

fn method(query: &Query) -> Result<ReadMethod, Error> {
    match query.get("method")? {
        None | Some("GET") => Ok(ReadMethod::Get),
        Some("HEAD") => Ok(ReadMethod::Head),
        Some(_) => Err(Error::invalid("method must be GET or HEAD")),
    }
}

/// Returns a 307 to a URL that is for this caller alone, for a while: no cache may keep it.
fn redirect(url: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(url).map_err(|_| refusal::internal("a URL is no header"))?;
    let mut response = http::Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
