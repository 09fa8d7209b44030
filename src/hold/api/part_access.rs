//! The permission to upload a part: its signed URL, or a token of crew; then headers name the part.

use http::request::Parts;

use super::request::credentials;
use super::state::ApiState;
use crate::blobs::{PartNumber, UploadId};
use crate::gate::WritePermit;
use atproto::lexicon::nsid;
use server::bulkhead::Caller;
use server::xrpc::{Error, Query, header};

/// The permission to upload one part.
pub(super) struct PartAccess {
    pub(super) permit: WritePermit,
    pub(super) upload_id: UploadId,
    pub(super) number: PartNumber,
}

impl PartAccess {
    pub(super) async fn of(state: &ApiState, head: &Parts, caller: &Caller) -> Result<Self, Error> {
        let query = Query::of(head);
        if query.get("signature")?.is_some() {
            return Self::by_url(state, &query).await;
        }
        let permit =
            state.gate.write(credentials(head, caller, nsid::UPLOAD_PART.as_str(), state.hold.now_s())?).await?;
        let upload_id = header(head, "x-upload-id").ok_or_else(|| Error::invalid("header X-Upload-Id is required"))?;
        let number = header(head, "x-part-number").ok_or_else(|| Error::invalid("header X-Part-Number is required"))?;
        Ok(Self { permit, upload_id: UploadId::parse(upload_id)?, number: parse_number(number)? })
    }

    async fn by_url(state: &ApiState, query: &Query) -> Result<Self, Error> {
        let part = state.urls.check_part(|name| query.get(name).ok().flatten(), state.hold.now_s())?;
        let upload_id = UploadId::parse(&part.upload_id)?;
        let account = state.hold.blobs.session_account(&upload_id).await?;
        // The URL was given to crew; an account that was removed since may not write any more.
        let permit = state.gate.still_write(account).await?;
        Ok(Self { permit, upload_id, number: parse_number(&part.part_number)? })
    }
}

fn parse_number(text: &str) -> Result<PartNumber, Error> {
    // Rust's own parser would take "+1".
    let digits = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    Ok(PartNumber::new(digits.and_then(|text| text.parse().ok()).unwrap_or(0))?)
}
