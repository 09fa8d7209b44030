//! The referrers of a manifest, as an image index, in pages.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use http::request::Parts;
use serde_json::json;

use super::refusal::OciError;
use super::route::{self, query};
use super::state::OciState;
use crate::gate::PullPermit;
use atproto::syntax::Digest;
use server::wire::Response;
use server::xrpc::response;
use server::xrpc::response::set_header;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Handles `GET` and `HEAD` of the referrers of `subject`.
pub(super) async fn list(
    state: Arc<OciState>,
    permit: PullPermit,
    subject: Digest,
    head: &Parts,
) -> Result<Response, OciError> {
    let name = permit.repository();
    let artifact_type = query(head, "artifactType");
    let after = query(head, "last").map(|last| route::digest(&last)).transpose()?;
    let owner = state.owners.find(&name.owner, permit.caller()).await?;
    let page = state.images.referrers(&owner, &subject, artifact_type.as_deref(), after).await?;
    let mut response = response::json(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": page.referrers }));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
    if let Some(next) = page.next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("last", &next.to_string());
        query.extend_pairs(artifact_type.iter().map(|kind| ("artifactType", kind)));
        let next = format!("</v2/{}/referrers/{subject}?{}>; rel=\"next\"", name.as_str(), query.finish());
        set_header(&mut response, LINK, &next);
    }
    if artifact_type.is_some() {
        response.headers_mut().insert(OCI_FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}
