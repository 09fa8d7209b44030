//! Records with their proof, as returned by `com.atproto.sync.getRecord`: a CAR file with the signed commit, the nodes
//! of the tree on the path to the record, and the record.

use std::collections::HashMap;

use super::cbor::Ipld;
use super::commit::Commit;
use super::{Cid, RepoError, car, mst, record};
use crate::keys::PublicKey;
use crate::syntax::{Did, Tid};

/// The verified state of one path in a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenRecord {
    /// The revision of the repository.
    pub rev: Tid,
    /// The record's CID and the record; `None` when there is verifiably none at this path.
    pub record: Option<(Cid, Ipld)>,
}

/// Verifies the state of `path` (`collection/rkey`) in the repository of `did`, from a CAR file of any origin.
///
/// # Errors
/// [`RepoError::Key`] when the commit is not signed by `key`; any other for an invalid or incomplete file.
pub fn verify(file: &[u8], did: &Did, key: &PublicKey, path: &str) -> Result<ProvenRecord, RepoError> {
    let car = car::read(file)?;
    let blocks: HashMap<Cid, Vec<u8>> = car.blocks.into_iter().map(|(cid, bytes)| (cid, bytes.to_vec())).collect();
    let [root] = car.roots[..] else { return Err(RepoError::InvalidCar("it must have one root")) };
    let commit = Commit::decode(blocks.get(&root).ok_or(RepoError::MissingBlock(root))?)?;
    if commit.did != *did {
        return Err(RepoError::InvalidCommit("it is of another repository"));
    }
    commit.verify(key)?;
    let Some(cid) = mst::get(&blocks, commit.data, path)? else {
        return Ok(ProvenRecord { rev: commit.rev, record: None });
    };
    let placed = record::check(path, &cid, blocks.get(&cid).ok_or(RepoError::MissingBlock(cid))?)?;
    Ok(ProvenRecord { rev: commit.rev, record: Some((cid, placed.value)) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::verify;
    use crate::keys::SigningKey;
    use crate::repo::commit::Commit;
    use crate::repo::mst::{self, Change};
    use crate::repo::{Cid, RepoError, car, cbor, cid};
    use crate::syntax::{Did, Tid};

    const PATH: &str = "com.example.note/a";

    /// A repository of one note, as a file.
    fn file(did: &Did, key: &SigningKey, text: &str, blocks: &mut Vec<(Cid, Vec<u8>)>) -> Vec<u8> {
        let note = json!({ "$type": "com.example.note", "text": text });
        let note = cbor::encode(&cbor::from_json(&note).unwrap()).unwrap();
        let changes = [Change { key: PATH.to_owned(), value: Some(cid::dag_cbor(&note)) }];
        let applied = mst::apply(&HashMap::new(), None, &changes).unwrap();
        let commit = Commit::sign(did, applied.root, &Tid::from_micros(1, 2), key).unwrap();
        *blocks = vec![(commit.cid, commit.bytes), (cid::dag_cbor(&note), note)];
        blocks.extend(applied.new);
        written(&commit.cid, blocks)
    }

    fn written(root: &Cid, blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
        let mut file = car::header(root).unwrap();
        blocks.iter().for_each(|(cid, bytes)| car::push_block(&mut file, cid, bytes));
        file
    }

    #[test]
    fn a_record_is_proven_by_its_owners_key_and_so_is_its_absence() {
        let (did, key) = (Did::parse("did:web:a.example").unwrap(), SigningKey::from_bytes(&[7; 32]).unwrap());
        let file = file(&did, &key, "hello", &mut Vec::new());
        let proven = verify(&file, &did, &key.public(), PATH).unwrap();
        assert_eq!(proven.rev, Tid::from_micros(1, 2));
        assert_eq!(cbor::to_json(&proven.record.unwrap().1)["text"], "hello");
        assert_eq!(verify(&file, &did, &key.public(), "com.example.note/c").unwrap().record, None);
    }

    #[test]
    fn another_key_another_owner_and_a_changed_or_missing_block_prove_nothing() {
        let (did, key) = (Did::parse("did:web:a.example").unwrap(), SigningKey::from_bytes(&[7; 32]).unwrap());
        let (mut blocks, mut others) = (Vec::new(), Vec::new());
        let good = file(&did, &key, "hello", &mut blocks);
        let stranger = SigningKey::from_bytes(&[8; 32]).unwrap();
        assert!(matches!(verify(&good, &did, &stranger.public(), PATH), Err(RepoError::Key(_))));
        let other = Did::parse("did:web:b.example").unwrap();
        assert!(matches!(verify(&good, &other, &key.public(), PATH), Err(RepoError::InvalidCommit(_))));
        for left_out in 0..blocks.len() {
            let mut some = blocks.clone();
            some.remove(left_out);
            assert!(verify(&written(&blocks[0].0, &some), &did, &key.public(), PATH).is_err(), "without {left_out}");
        }
        // The record and the tree of another text, below the commit of this one.
        file(&did, &key, "changed", &mut others);
        let mut mixed = vec![blocks[0].clone()];
        mixed.extend(others.into_iter().skip(1));
        assert!(verify(&written(&blocks[0].0, &mixed), &did, &key.public(), PATH).is_err());
        let mut bent = good.clone();
        *bent.last_mut().unwrap() ^= 1;
        assert!(verify(&bent, &did, &key.public(), PATH).is_err());
        assert!(verify(b"", &did, &key.public(), PATH).is_err());
    }
}
