//! The checks of a record at its path in a repository. <https://atproto.com/specs/record-key>

use super::cbor::{self, Ipld};
use super::{Cid, RepoError, cid};
use crate::syntax::{Nsid, RecordKey};

/// A record that was checked against its path.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its collection.
    pub collection: Nsid,
    /// Its key.
    pub rkey: RecordKey,
    /// The record: always a map.
    pub value: Ipld,
}

/// Checks the block that the tree has at `path`: its hash, its form, and that it is a record of the collection.
///
/// # Errors
/// [`RepoError::InvalidPath`] for a path that is not a collection and record key; [`RepoError::InvalidRecord`] for a
/// block with another hash than `cid`, or with another `$type`; [`RepoError::InvalidCbor`].
pub fn check(path: &str, cid: &Cid, block: &[u8]) -> Result<Placed, RepoError> {
    let (collection, rkey) = path.split_once('/').ok_or(RepoError::InvalidPath("it has no '/'"))?;
    let collection = Nsid::parse(collection).map_err(|_| RepoError::InvalidPath("its collection is not an NSID"))?;
    if !collection.is_normalized() {
        return Err(RepoError::InvalidPath("the domain of its collection is not in lower case"));
    }
    let rkey = RecordKey::parse(rkey).map_err(|_| RepoError::InvalidPath("its record key is not one"))?;
    if !cid::is_dag_cbor(cid) || !cid::matches(cid, block) {
        return Err(RepoError::InvalidRecord("its bytes have another hash"));
    }
    let value = cbor::decode(block)?;
    let Ipld::Map(fields) = &value else { return Err(RepoError::InvalidRecord("it is not a map")) };
    match fields.get("$type") {
        Some(Ipld::String(kind)) if kind == collection.as_str() => Ok(Placed { collection, rkey, value }),
        _ => Err(RepoError::InvalidRecord("its \"$type\" is not its collection")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Ipld, check};
    use crate::repo::{cbor, cid};

    fn block(kind: Option<&str>) -> Vec<u8> {
        let fields = kind.map(|kind| ("$type".to_owned(), Ipld::String(kind.to_owned())));
        cbor::encode(&Ipld::Map(BTreeMap::from_iter(fields))).unwrap()
    }

    #[test]
    fn a_record_is_of_its_collection() {
        let good = block(Some("com.example.note"));
        assert!(check("com.example.note/a", &cid::dag_cbor(&good), &good).is_ok());
        for (path, bytes) in [
            ("com.example.other/a", good.clone()),
            ("com.example/a", good.clone()),
            ("com.Example.note/a", block(Some("com.Example.note"))),
            ("COM.example.note/a", block(Some("COM.example.note"))),
            ("com.example.note/.", good.clone()),
            ("com.example.note", good.clone()),
            ("com.example.note/a", block(None)),
            ("com.example.note/a", cbor::encode(&Ipld::List(Vec::new())).unwrap()),
            ("com.example.note/a", [good.clone(), vec![0]].concat()),
        ] {
            assert!(check(path, &cid::dag_cbor(&bytes), &bytes).is_err(), "{path} {bytes:?}");
        }
        assert!(check("com.example.note/a", &cid::dag_cbor(b""), &good).is_err());
    }
}
