//! `io.atcr.hold.getPartUploadUrl`: where a part goes.

use std::sync::Arc;

use crate::auth::WritePermit;
use crate::blobs::{Target, UploadId};
use crate::http::connection::{Request, Response};
use crate::http::error::Error;
use crate::http::request::{JSON_BYTES, json, part_number};
use crate::http::response;
use crate::http::state::State;
use crate::lexicon::{GetPartUploadUrl, PartHeaders, PartTarget, nsid};

pub(in crate::http) async fn handle(
    state: Arc<State>,
    permit: WritePermit,
    request: Request,
) -> Result<Response, Error> {
    let input: GetPartUploadUrl = json(request, JSON_BYTES).await?;
    let number = part_number(&input.part_number)?;
    let id = UploadId::parse(&input.upload_id)?;
    let url = match state.blobs.part_target(&id, permit.account(), number, state.now_us()).await? {
        Target::Store(url) => url,
        Target::Hold => {
            let query = state.urls.part_query(&id.to_string(), number.get(), state.now_s());
            format!("{}/xrpc/{}?{query}", state.url, nsid::UPLOAD_PART)
        }
    };
    Ok(response::json(&PartTarget {
        url,
        method: "PUT",
        headers: PartHeaders { upload_id: id.to_string(), part_number: number.get().to_string() },
    }))
}
