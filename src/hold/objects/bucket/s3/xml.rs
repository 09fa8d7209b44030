//! The XML of S3's responses, and of the two request bodies that are sent.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The response to CreateMultipartUpload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Created {
    pub(super) upload_id: String,
}

/// The response to UploadPartCopy.
#[derive(Debug, Deserialize)]
pub(super) struct CopiedPart {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

/// A page of ListObjectsV2.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ObjectPage {
    #[serde(default)]
    pub(super) contents: Vec<ListedObject>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedObject {
    pub(super) key: String,
    pub(super) size: u64,
    #[serde(default, rename = "ETag")]
    pub(super) etag: String,
    pub(super) last_modified: DateTime<Utc>,
}

/// A page of ListParts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PartPage {
    #[serde(default, rename = "Part")]
    pub(super) parts: Vec<ListedPart>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_part_number_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedPart {
    pub(super) part_number: u16,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    pub(super) size: u64,
}

/// A page of ListMultipartUploads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UploadPage {
    #[serde(default, rename = "Upload")]
    pub(super) uploads: Vec<ListedUpload>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_key_marker: Option<String>,
    #[serde(default)]
    pub(super) next_upload_id_marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedUpload {
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) initiated: DateTime<Utc>,
}

/// The response to DeleteObjects.
#[derive(Debug, Deserialize)]
pub(super) struct Removals {
    #[serde(default, rename = "$value")]
    pub(super) told: Vec<Removal>,
}

/// The outcome for one object. Both kinds come in any order.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Removal {
    #[serde(rename_all = "PascalCase")]
    Deleted { key: String },
    #[serde(rename_all = "PascalCase")]
    Error { key: String, code: String },
}

/// Returns the body of CompleteMultipartUpload. The ETags come from a client: bare or quoted, and untrusted.
pub(super) fn part_list<'a>(parts: impl Iterator<Item = (u16, &'a str)>) -> String {
    let mut text = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        let etag = quick_xml::escape::escape(etag.trim_matches('"'));
        // Writing to a string does not fail.
        let _ = write!(text, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>");
    }
    text.push_str("</CompleteMultipartUpload>");
    text
}

/// Returns the body of DeleteObjects, which requests a response with failures only.
pub(super) fn removal_list(keys: impl Iterator<Item = String>) -> String {
    let mut text = String::from("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for key in keys {
        let key = quick_xml::escape::escape(key);
        // Writing to a string does not fail.
        let _ = write!(text, "<Object><Key>{key}</Key></Object>");
    }
    text.push_str("<Quiet>true</Quiet></Delete>");
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::xml::parse;
    use super::*;

    #[test]
    fn etags_of_a_client_cannot_break_out_of_the_document() {
        let parts = [(1, "\"abc\""), (2, "</ETag><Evil>&")];
        let text = part_list(parts.into_iter());
        assert!(text.contains("<Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part>"));
        assert!(!text.contains("<Evil>"), "{text}");
    }

    #[test]
    fn pages_with_and_without_entries_are_read() {
        let page: PartPage = parse(
            br#"<ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
            <NextPartNumberMarker>1</NextPartNumberMarker>
            <Part><PartNumber>1</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size></Part>
            </ListPartsResult>"#,
        )
        .unwrap();
        assert_eq!((page.parts[0].part_number, page.parts[0].etag.as_str(), page.parts[0].size), (1, "\"e\"", 5));
        assert!(page.is_truncated);
        let empty: UploadPage =
            parse(b"<ListMultipartUploadsResult><Bucket>b</Bucket></ListMultipartUploadsResult>").unwrap();
        assert!(empty.uploads.is_empty() && !empty.is_truncated);
    }

    #[test]
    fn removals_are_told_in_any_order() {
        let removals: Removals = parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
            <DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker></Deleted>
              <Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>
              <Deleted><Key>c</Key></Deleted></DeleteResult>"#,
        )
        .unwrap();
        let deleted = |key: &str| Removal::Deleted { key: key.into() };
        let expected = [deleted("a"), Removal::Error { key: "b".into(), code: "AccessDenied".into() }, deleted("c")];
        assert_eq!(removals.told, expected);
        assert!(parse::<Removals>(b"<DeleteResult/>").unwrap().told.is_empty());
        assert!(removal_list(["a&b".to_owned()].into_iter()).contains("<Object><Key>a&amp;b</Key></Object>"));
    }
}
