//! `io.atcr.hold.getPartUploadUrl`: returns the URL that a part is sent to.

use std::sync::Arc;

use crate::api::request::part_number;
use crate::api::state::ApiState;
use crate::blobs::{Target, UploadId};
use crate::gate::WritePermit;
use atproto::lexicon::{GetPartUploadUrl, PartHeaders, PartTarget, nsid};
use server::wire::{Request, Response};
use server::xrpc::{Error, JSON_BYTES, json, response};

pub(in crate::api) async fn handle(
    state: Arc<ApiState>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: GetPartUploadUrl = json(request, JSON_BYTES).await?;
    let number = part_number(&input.part_number)?;
    let id = UploadId::parse(&input.upload_id)?;
    let url = match state.hold.blobs.part_target(&id, permit.account(), number, state.hold.now_us()).await? {
        Target::Store(url) => url,
        Target::Hold => {
            let query = state.urls.part_query(&id.to_string(), number.get(), state.hold.now_s());
            format!("{}/xrpc/{}?{query}", state.hold.pds.url(), nsid::UPLOAD_PART)
        }
    };
    Ok(response::json(&PartTarget {
        url,
        method: "PUT".into(),
        headers: PartHeaders { upload_id: id.to_string(), part_number: number.get().to_string() },
    }))
}
