//! The XML of Azure's responses, and of the one request body that is sent.
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>

use std::fmt::Write as _;

use serde::Deserialize;

/// A page of List Blobs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BlobPage {
    pub(super) blobs: Blobs,
    #[serde(default)]
    pub(super) next_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Blobs {
    #[serde(default, rename = "Blob")]
    pub(super) blobs: Vec<ListedBlob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedBlob {
    pub(super) name: String,
    pub(super) properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Properties {
    #[serde(rename = "Last-Modified")]
    pub(super) last_modified: String,
    #[serde(rename = "Etag")]
    pub(super) etag: String,
    #[serde(rename = "Content-Length")]
    pub(super) content_length: u64,
}

/// The response to Get Block List.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BlockList {
    #[serde(default)]
    pub(super) uncommitted_blocks: Blocks,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Blocks {
    #[serde(default, rename = "Block")]
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Returns the body of Put Block List, from block ids in base64.
pub(super) fn block_list(ids: impl Iterator<Item = String>) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for id in ids {
        // Writing to a string does not fail.
        let _ = write!(text, "<Uncommitted>{id}</Uncommitted>");
    }
    text.push_str("</BlockList>");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::bucket::xml::parse;

    #[test]
    fn pages_with_and_without_entries_are_read() {
        let page: BlobPage = parse(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"c\"><Prefix>p/</Prefix><Blobs>
            <Blob><Name>p/a</Name><Properties><Creation-Time>x</Creation-Time><Last-Modified>Mon, 23 Nov 2026 03:00:00 GMT</Last-Modified>
            <Etag>0x8D</Etag><Content-Length>5</Content-Length><BlobType>BlockBlob</BlobType></Properties><OrMetadata /></Blob>
            </Blobs><NextMarker>more</NextMarker></EnumerationResults>"
                .as_bytes(),
        )
        .unwrap();
        let blob = &page.blobs.blobs[0];
        assert_eq!(
            (blob.name.as_str(), blob.properties.etag.as_str(), blob.properties.content_length),
            ("p/a", "0x8D", 5)
        );
        assert_eq!(page.next_marker.as_deref(), Some("more"));
        let empty: BlobPage = parse(b"<EnumerationResults><Blobs /><NextMarker /></EnumerationResults>").unwrap();
        assert!(empty.blobs.blobs.is_empty() && empty.next_marker.unwrap_or_default().is_empty());
    }

    #[test]
    fn blocks_are_read() {
        let list: BlockList = parse(
            b"<BlockList><CommittedBlocks /><UncommittedBlocks><Block><Name>QQ==</Name><Size>7</Size></Block>
            </UncommittedBlocks></BlockList>",
        )
        .unwrap();
        assert_eq!(
            (list.uncommitted_blocks.blocks[0].name.as_str(), list.uncommitted_blocks.blocks[0].size),
            ("QQ==", 7)
        );
    }
}
