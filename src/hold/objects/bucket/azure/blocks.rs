//! Parts as blocks: sending, listing, committing and dropping them.
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>,
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-list>

use data_encoding::{BASE64, HEXLOWER};
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{Method, StatusCode};

use super::xml::{BlockList, block_list};
use super::{Azure, BLOB_TYPE, as_download};
use crate::objects::bucket::client::{Call, LONG_TIMEOUT};
use crate::objects::bucket::fault::Fault;
use crate::objects::bucket::provider::{Cursor, Multipart, Page, PartRequest};
use crate::objects::bucket::{Completed, OpenMultipart, StoredPart, xml};

/// Size of the largest block in bytes, since version 2019-12-12 of the API.
const MAX_PART_BYTES: u64 = 4_000 << 20;
/// Azure's error code for a list of blocks that it does not have.
const WRONG_PARTS: &str = "InvalidBlockList";
/// The id of every upload: Azure identifies an upload by its key alone.
const UPLOAD: &str = "blocks";
/// Random bytes in a block's id, which also serves as its ETag: `00001-` and these bytes in hexadecimal. Azure requires
/// ids of one length for all blocks of an object.
const RANDOM_BYTES: usize = 9;
const ID_BYTES: usize = 6 + 2 * RANDOM_BYTES;

#[async_trait::async_trait]
impl Multipart for Azure {
    fn signs_parts(&self) -> bool {
        false
    }

    fn max_part_bytes(&self) -> u64 {
        MAX_PART_BYTES
    }

    async fn create(&self, _: &str) -> Result<String, Fault> {
        Ok(UPLOAD.to_owned())
    }

    /// A block sent before under the same number stays a block of its own: the list of blocks decides.
    fn part(&self, key: &str, _: &str, number: u16) -> Result<PartRequest, Fault> {
        let id = new_id(number)?;
        let call = Call::on(Method::PUT, key).query("comp", "block").query("blockid", BASE64.encode(id.as_bytes()));
        Ok(PartRequest { call, etag: Some(format!("\"{id}\"")) })
    }

    async fn part_url(&self, _: &str, _: &str, _: u16) -> Result<String, Fault> {
        Err(Fault::InvalidResponse("Azure signs no parts"))
    }

    /// Returns the uncommitted blocks; `None` when Azure does not know the key.
    async fn parts(&self, key: &str, _: &str) -> Result<Option<Vec<StoredPart>>, Fault> {
        let call = Call::on(Method::GET, key).query("comp", "blocklist").query("blocklisttype", "uncommitted");
        let answer = match self.client.exchange(&call).await {
            Err(fault) if fault.is_missing() => return Ok(None),
            answer => answer?,
        };
        let list: BlockList = xml::parse(answer.body())?;
        let mut parts = Vec::new();
        for block in list.uncommitted_blocks.blocks {
            let id = BASE64.decode(block.name.as_bytes()).ok().and_then(|id| String::from_utf8(id).ok());
            let Some((number, id)) = id.and_then(|id| Some((number_of(&id)?, id))) else { continue };
            parts.push(StoredPart { number, etag: format!("\"{id}\""), size_bytes: block.size });
        }
        parts.sort_by_key(|part| part.number);
        Ok(Some(parts))
    }

    /// Azure knows an upload from its first block on: before it none is lost.
    async fn has_lost(&self, _: &str, _: &str) -> bool {
        false
    }

    async fn complete(&self, key: &str, id: &str, parts: &[(u16, String)]) -> Result<Completed, Fault> {
        let mut ids: Vec<_> = parts.iter().map(|(number, etag)| (*number, etag.trim_matches('"'))).collect();
        ids.sort_unstable_by_key(|(number, _)| *number);
        if !ids.iter().all(|(number, id)| number_of(id) == Some(*number)) {
            return Ok(wrong_parts());
        }
        let list = block_list(ids.into_iter().map(|(_, id)| BASE64.encode(id.as_bytes())));
        // An object that is there was made by an attempt whose response was lost.
        let call = as_download(Call::on(Method::PUT, key)).query("comp", "blocklist").header(IF_NONE_MATCH, "*");
        match self.client.exchange(&call.body(list).timeout(LONG_TIMEOUT)).await {
            Err(fault) if fault.has_code(&[WRONG_PARTS]) => {
                if let Some(info) = self.client.find(key).await? {
                    return Ok(Completed::Object(info));
                }
                let is_known = self.parts(key, id).await?.is_some();
                return Ok(if is_known { wrong_parts() } else { Completed::Unknown });
            }
            Err(fault) if !is_there(&fault) => return Err(fault),
            _ => {}
        }
        Ok(self.client.find(key).await?.map_or(Completed::Unknown, Completed::Object))
    }

    /// Azure has no request for this, but an object under the key makes it drop the blocks. An existing object stays.
    /// No caller may complete the upload meanwhile.
    async fn abort(&self, key: &str, id: &str) -> Result<(), Fault> {
        let has_blocks = self.parts(key, id).await?.is_some_and(|parts| !parts.is_empty());
        if !has_blocks || self.client.find(key).await?.is_some() {
            return Ok(());
        }
        let put = Call::on(Method::PUT, key).header(BLOB_TYPE.clone(), "BlockBlob");
        let made = self.client.exchange(&put).await?;
        let Some(etag) = made.headers().get(ETAG).and_then(|etag| etag.to_str().ok()) else {
            return Err(Fault::InvalidResponse("an object has no ETag"));
        };
        match self.client.exchange(&Call::on(Method::DELETE, key).header(IF_MATCH, etag)).await {
            Err(fault) if !fault.is_missing() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Returns an empty page: Azure has no list of uploads. It drops their blocks after a week.
    async fn list_uploads(&self, _: &str, _: Cursor) -> Result<Page<OpenMultipart>, Fault> {
        Ok(Page { items: Vec::new(), next: None })
    }
}

fn wrong_parts() -> Completed {
    Completed::WrongParts { code: WRONG_PARTS.to_owned() }
}

fn is_there(fault: &Fault) -> bool {
    fault.has_code(&["BlobAlreadyExists"]) || fault.has_status(StatusCode::PRECONDITION_FAILED)
}

fn new_id(number: u16) -> Result<String, Fault> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| Fault::InvalidResponse("the system gives no random bytes"))?;
    Ok(format!("{number:05}-{}", HEXLOWER.encode(&random)))
}

/// Returns the number in a block's id; `None` when the hold did not make the id.
fn number_of(id: &str) -> Option<u16> {
    let (number, random) = id.split_once('-')?;
    let is_hex = random.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.parse().ok().filter(|_| is_hex && number.len() == 5 && id.len() == ID_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_its_number_and_one_length() {
        for number in [1, 10_000] {
            let id = new_id(number).unwrap();
            assert_eq!((number_of(&id), id.len()), (Some(number), ID_BYTES));
        }
        let id = new_id(7).unwrap();
        for wrong in ["", "00007", "</Uncommitted>", &id[1..], &id.replace('-', "_"), &id.replace("00007", "+0007")] {
            let found = number_of(wrong);
            assert!(found.is_none() || wrong.starts_with('+'), "{wrong} {found:?}");
        }
    }
}
