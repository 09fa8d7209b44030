//! References from records to blobs. <https://atproto.com/specs/data-model#blob-type>

use std::collections::BTreeMap;

use super::cbor::Ipld;
use super::{Cid, cid};

/// A blob reference in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// The CID of the blob, with the raw codec.
    pub cid: Cid,
    /// The media type, as the record spells it.
    pub mime_type: String,
    /// Size of the blob in bytes.
    pub size_bytes: u64,
}

impl BlobRef {
    /// Returns every well-formed reference in `record`, at any depth, in the order of the fields.
    #[must_use]
    pub fn all_in(record: &Ipld) -> Vec<Self> {
        let mut found = Vec::new();
        gather(record, &mut found);
        found
    }

    /// Returns the reference in the data model, as in a record.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        let fields = [
            ("$type", "blob".into()),
            ("ref", Ipld::Link(self.cid)),
            ("mimeType", self.mime_type.clone().into()),
            ("size", Ipld::Integer(self.size_bytes.into())),
        ];
        Ipld::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn of(map: &BTreeMap<String, Ipld>) -> Option<Self> {
        match (map.get("$type"), map.get("ref"), map.get("mimeType"), map.get("size")) {
            (
                Some(Ipld::String(kind)),
                Some(Ipld::Link(link)),
                Some(Ipld::String(mime_type)),
                Some(Ipld::Integer(size)),
            ) if kind == "blob" && cid::is_raw(link) => {
                let size_bytes = u64::try_from(*size).ok()?;
                Some(Self { cid: *link, mime_type: mime_type.clone(), size_bytes })
            }
            _ => None,
        }
    }
}

/// Recursion is bounded: a decoded or encoded value is at most 64 levels deep.
fn gather(value: &Ipld, found: &mut Vec<BlobRef>) {
    match value {
        Ipld::List(items) => items.iter().for_each(|item| gather(item, found)),
        Ipld::Map(map) => match BlobRef::of(map) {
            Some(blob) => found.push(blob),
            None => map.values().for_each(|field| gather(field, found)),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::BlobRef;
    use crate::repo::{cbor, cid};
    use crate::syntax::Digest;

    #[test]
    fn references_are_found_at_any_depth_and_nothing_else_is() {
        let cids = [1, 2].map(|byte| cid::raw(&Digest::from_bytes([byte; 32])));
        let blob = |n: usize| json!({ "$type": "blob", "ref": { "$link": cids[n].to_string() }, "mimeType": "image/png", "size": n });
        let record = json!({
            "avatar": blob(0), "list": [{ "deep": [blob(1)] }], "link": { "$link": cids[0].to_string() },
            "untyped": { "ref": { "$link": cids[1].to_string() }, "mimeType": "image/png", "size": 1 },
        });
        let found = BlobRef::all_in(&cbor::from_json(&record).unwrap());
        assert_eq!(
            found.iter().map(|blob| (blob.cid, blob.size_bytes)).collect::<Vec<_>>(),
            [(cids[0], 0), (cids[1], 1)]
        );
        assert_eq!(cbor::to_json(&found[0].to_ipld()), blob(0));
    }
}
