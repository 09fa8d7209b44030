//! Content identifiers: the CIDv1 of DAG-CBOR blocks and of raw bytes, always over SHA-256.
//! <https://atproto.com/specs/data-model#link-and-cid-formats>

use ipld_core::cid::{Version, multihash::Multihash};
use sha2::{Digest as _, Sha256};

use super::{Cid, RepoError};
use crate::syntax::Digest;

const DAG_CBOR: u64 = 0x71;
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

/// Length of the binary form. Version, codec, hash function and length: one byte each, then the hash.
pub(super) const BYTES: usize = 4 + 32;
/// Length of the text form: `b` and the base32 of 36 bytes.
const TEXT_BYTES: usize = 59;

/// Returns the CID of a DAG-CBOR block.
#[must_use]
pub fn dag_cbor(block: &[u8]) -> Cid {
    of_hash(DAG_CBOR, &Sha256::digest(block).into())
}

/// Returns the raw CID of the blob with this digest.
#[must_use]
pub fn raw(digest: &Digest) -> Cid {
    of_hash(RAW, digest.as_bytes())
}

/// Returns the raw CID of these bytes as a blob.
#[must_use]
pub fn raw_of(bytes: &[u8]) -> Cid {
    of_hash(RAW, &Sha256::digest(bytes).into())
}

/// Returns the digest of the blob of a raw CID; `None` for a CID of DAG-CBOR or of another hash.
#[must_use]
pub fn digest_of(cid: &Cid) -> Option<Digest> {
    if cid.codec() != RAW || cid.hash().code() != SHA2_256 {
        return None;
    }
    cid.hash().digest().try_into().ok().map(Digest::from_bytes)
}

/// Parses a CID as the AT Protocol spells it: version 1, lower-case base32, DAG-CBOR or raw, SHA-256.
///
/// # Errors
/// [`RepoError::InvalidCid`] for every other form, also those that other systems allow.
pub fn parse(text: &str) -> Result<Cid, RepoError> {
    if text.len() != TEXT_BYTES || !text.starts_with('b') {
        return Err(RepoError::InvalidCid("it must be a CIDv1 of SHA-256 in lower-case base32"));
    }
    let cid = Cid::try_from(text).map_err(|_| RepoError::InvalidCid("it is not base32 of a CID"))?;
    check(&cid)?;
    // The parser is lenient: the text must be the canonical spelling of the CID.
    if cid.to_string() == text { Ok(cid) } else { Err(RepoError::InvalidCid("it is not in its only text form")) }
}

/// Parses the binary form, which must be all of `bytes`.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Cid, RepoError> {
    if bytes.len() != BYTES {
        return Err(RepoError::InvalidCid("it must have 36 bytes"));
    }
    let cid = Cid::try_from(bytes).map_err(|_| RepoError::InvalidCid("its bytes are not a CID"))?;
    check(&cid)?;
    Ok(cid)
}

/// Checks that this CID is permitted in a repository.
pub(super) fn check(cid: &Cid) -> Result<(), RepoError> {
    if cid.version() != Version::V1 {
        return Err(RepoError::InvalidCid("its version must be 1"));
    }
    if cid.codec() != DAG_CBOR && cid.codec() != RAW {
        return Err(RepoError::InvalidCid("its codec must be dag-cbor or raw"));
    }
    if cid.hash().code() != SHA2_256 || cid.hash().size() != 32 {
        return Err(RepoError::InvalidCid("its hash must be SHA-256"));
    }
    Ok(())
}

/// Whether the CID is of a DAG-CBOR block, such as a tree node or a commit.
pub(super) fn is_dag_cbor(cid: &Cid) -> bool {
    cid.codec() == DAG_CBOR && check(cid).is_ok()
}

/// Whether the CID is of a blob.
pub(super) fn is_raw(cid: &Cid) -> bool {
    cid.codec() == RAW && check(cid).is_ok()
}

/// Whether `block` has the hash of `cid`.
pub(super) fn matches(cid: &Cid, block: &[u8]) -> bool {
    check(cid).is_ok() && cid.hash().digest() == Sha256::digest(block).as_slice()
}

fn of_hash(codec: u64, hash: &[u8; 32]) -> Cid {
    let Ok(hash) = Multihash::wrap(SHA2_256, hash) else { unreachable!("32 bytes fit into a multihash of 64") };
    Cid::new_v1(codec, hash)
}

#[cfg(test)]
mod tests {
    use super::{dag_cbor, digest_of, from_bytes, parse, raw};
    use crate::syntax::Digest;

    #[test]
    fn a_digest_and_a_raw_cid_name_each_other() {
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(digest_of(&raw(&digest)), Some(digest));
        assert_eq!(digest_of(&dag_cbor(b"")), None);
    }

    #[test]
    fn only_one_text_form_is_accepted() {
        let text = raw(&Digest::from_bytes([7; 32])).to_string();
        assert!(parse(&text).is_ok());
        let mut other_padding = text.clone();
        other_padding.replace_range(58.., "b");
        for wrong in [
            text.to_uppercase(),
            format!("/ipfs/{text}"),
            format!("{text}a"),
            text[..58].to_owned(),
            other_padding,
            "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR".to_owned(),
            "é".repeat(30),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_codecs_hashes_and_versions_are_refused() {
        let good = raw(&Digest::from_bytes([7; 32])).to_bytes();
        assert!(from_bytes(&good).is_ok());
        for (at, byte) in [(0, 2), (1, 0x70), (2, 0x13), (3, 0x1f)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert!(from_bytes(&bytes).is_err(), "byte {at}");
        }
        assert!(from_bytes(&[good.as_slice(), &[0]].concat()).is_err());
    }
}
