//! Commits: the signed object at the top of a repository. <https://atproto.com/specs/repository#commit-objects>

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::{Cid, RepoError, cbor, cid};
use crate::keys::{HighS, PublicKey, SigningKey};
use crate::syntax::{Did, Tid};

const VERSION: u8 = 3;

/// A decoded commit. Its signature is not verified before [`Commit::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The account of the repository.
    pub did: Did,
    /// The root node of the tree of records.
    pub data: Cid,
    /// The revision, greater than that of every earlier commit.
    pub rev: Tid,
    /// The previous commit. Always `None` in new commits; older repositories have it.
    pub prev: Option<Cid>,
    /// `r` and `s` of the signature over the commit without its signature.
    pub sig: [u8; 64],
}

/// A commit as a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The block's CID.
    pub cid: Cid,
    /// The block: DAG-CBOR.
    pub bytes: Vec<u8>,
}

/// The signed fields.
#[derive(Serialize)]
struct Unsigned<'a> {
    did: &'a Did,
    rev: &'a Tid,
    data: &'a Cid,
    prev: Option<&'a Cid>,
    version: u8,
}

/// The stored fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    did: Did,
    rev: Tid,
    sig: ByteBuf,
    data: Cid,
    prev: Option<Cid>,
    version: u8,
}

/// The stored fields, borrowed for encoding.
#[derive(Serialize)]
struct StoredRef<'a> {
    did: &'a Did,
    rev: &'a Tid,
    sig: &'a Bytes,
    data: &'a Cid,
    prev: Option<&'a Cid>,
    version: u8,
}

impl Commit {
    /// Creates and signs the commit of the tree `data` at the revision `rev`.
    ///
    /// # Errors
    /// [`RepoError::InvalidCbor`] when it cannot be encoded, which would be a defect of the encoder.
    pub fn sign(did: &Did, data: Cid, rev: &Tid, key: &SigningKey) -> Result<Signed, RepoError> {
        let unsigned = cbor::write(&Unsigned { did, rev, data: &data, prev: None, version: VERSION })?;
        let sig = key.sign(&unsigned);
        let sig = Bytes::new(&sig);
        let bytes = cbor::write(&StoredRef { did, rev, sig, data: &data, prev: None, version: VERSION })?;
        Ok(Signed { cid: cid::dag_cbor(&bytes), bytes })
    }

    /// Decodes the block of a commit.
    ///
    /// # Errors
    /// [`RepoError::InvalidCbor`] for another object or form, [`RepoError::InvalidCommit`] for another version and for
    /// malformed links and signatures.
    pub fn decode(bytes: &[u8]) -> Result<Self, RepoError> {
        let Stored { did, rev, sig, data, prev, version } = cbor::read(bytes)?;
        if version != VERSION {
            return Err(RepoError::InvalidCommit("its version must be 3"));
        }
        if ![Some(&data), prev.as_ref()].into_iter().flatten().all(cid::is_dag_cbor) {
            return Err(RepoError::InvalidCommit("its links must name DAG-CBOR blocks"));
        }
        let sig =
            sig.as_slice().try_into().map_err(|_| RepoError::InvalidCommit("its signature must have 64 bytes"))?;
        Ok(Self { did, data, rev, prev, sig })
    }

    /// Verifies the signature with the key from the account's DID document.
    ///
    /// # Errors
    /// [`RepoError::Key`] for another key, changed content, or a high `s`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), RepoError> {
        let Self { did, data, rev, prev, sig } = self;
        let unsigned = cbor::write(&Unsigned { did, rev, data, prev: prev.as_ref(), version: VERSION })?;
        Ok(key.verify(&unsigned, sig, HighS::Refuse)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Commit, SigningKey, cbor, cid};
    use crate::syntax::{Did, Tid};

    fn signed() -> (SigningKey, super::Signed) {
        let key = SigningKey::from_bytes(&[0x42; 32]).unwrap();
        let did = Did::parse("did:web:hold.example.org").unwrap();
        let signed = Commit::sign(&did, cid::dag_cbor(b"tree"), &Tid::from_micros(1, 2), &key).unwrap();
        (key, signed)
    }

    #[test]
    fn a_commit_survives_and_verifies() {
        let (key, signed) = signed();
        let mut commit = Commit::decode(&signed.bytes).unwrap();
        assert_eq!(signed.cid, cid::dag_cbor(&signed.bytes));
        assert_eq!((commit.data, commit.prev), (cid::dag_cbor(b"tree"), None));
        assert!(commit.verify(&key.public()).is_ok());
        assert!(commit.verify(&SigningKey::from_bytes(&[0x43; 32]).unwrap().public()).is_err());
        commit.rev = Tid::from_micros(2, 2);
        assert!(commit.verify(&key.public()).is_err());
    }

    #[test]
    fn another_object_is_no_commit() {
        let (_, signed) = signed();
        let changed = |change: fn(&mut std::collections::BTreeMap<String, cbor::Ipld>)| {
            let Ok(cbor::Ipld::Map(mut map)) = cbor::decode(&signed.bytes) else { panic!("a commit is a map") };
            change(&mut map);
            Commit::decode(&cbor::encode(&cbor::Ipld::Map(map)).unwrap())
        };
        assert!(changed(|_| {}).is_ok());
        assert!(changed(|map| drop(map.remove("prev"))).is_err());
        assert!(changed(|map| drop(map.insert("more".into(), cbor::Ipld::Null))).is_err());
        assert!(changed(|map| drop(map.insert("version".into(), cbor::Ipld::Integer(2)))).is_err());
        assert!(changed(|map| drop(map.insert("sig".into(), cbor::Ipld::Bytes(vec![1; 63])))).is_err());
        assert!(changed(|map| drop(map.insert("rev".into(), cbor::Ipld::String("1".into())))).is_err());
        assert!(Commit::decode(&[]).is_err());
    }
}
