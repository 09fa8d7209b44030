//! CAR version 1, the file format of blocks. <https://ipld.io/specs/transport/car/carv1/>

mod reader;

use serde::{Deserialize, Serialize};

use super::{Cid, RepoError, cbor, cid};

pub use reader::Reader;

const VERSION: u8 = 1;
/// Limit of a varint. A byte has seven bits: more bytes would mean more than 63 bits.
const MAX_VARINT_BYTES: usize = 9;
const ENDS_EARLY: &str = "it ends within a block";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u8,
}

/// A parsed CAR file; blocks borrow from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Car<'a> {
    /// The roots; in files of repositories: the commit.
    pub roots: Vec<Cid>,
    /// The blocks in the order of the file, each verified to have the hash of its CID.
    pub blocks: Vec<(Cid, &'a [u8])>,
}

/// Returns the header of a CAR file. A file of loose blocks has no root.
///
/// # Errors
/// [`RepoError::InvalidCbor`] when it cannot be encoded, which would be a defect of the encoder.
pub fn header<'a>(root: impl Into<Option<&'a Cid>>) -> Result<Vec<u8>, RepoError> {
    let header = cbor::write(&Header { roots: root.into().into_iter().copied().collect(), version: VERSION })?;
    let mut out = Vec::with_capacity(MAX_VARINT_BYTES + header.len());
    push_varint(&mut out, header.len());
    out.extend_from_slice(&header);
    Ok(out)
}

/// Appends a block.
pub fn push_block(out: &mut Vec<u8>, cid: &Cid, bytes: &[u8]) {
    let cid = cid.to_bytes();
    out.reserve(MAX_VARINT_BYTES + cid.len() + bytes.len());
    push_varint(out, cid.len() + bytes.len());
    out.extend_from_slice(&cid);
    out.extend_from_slice(bytes);
}

/// Parses a whole CAR file. The result is limited by the file: 37 bytes at least for each block.
///
/// # Errors
/// [`RepoError::InvalidCar`] for another version, wrong lengths, and blocks with another hash than their CID;
/// [`RepoError::InvalidCbor`] for a malformed header; [`RepoError::InvalidCid`] for a CID not used in repositories.
pub fn read(mut rest: &[u8]) -> Result<Car<'_>, RepoError> {
    let roots = read_header(take_section(&mut rest)?)?;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(read_block(take_section(&mut rest)?)?);
    }
    Ok(Car { roots, blocks })
}

/// Returns the roots in the header, the first section of a file.
fn read_header(section: &[u8]) -> Result<Vec<Cid>, RepoError> {
    let Header { roots, version } = cbor::read(section)?;
    if version != VERSION {
        return Err(RepoError::InvalidCar("its version must be 1"));
    }
    roots.iter().try_for_each(cid::check)?;
    Ok(roots)
}

/// Returns the block in one of the other sections.
fn read_block(section: &[u8]) -> Result<(Cid, &[u8]), RepoError> {
    let (cid, bytes) =
        section.split_at_checked(cid::BYTES).ok_or(RepoError::InvalidCar("a block is shorter than its CID"))?;
    let cid = cid::from_bytes(cid)?;
    if cid::matches(&cid, bytes) {
        Ok((cid, bytes))
    } else {
        Err(RepoError::InvalidCar("a block has another hash than its CID"))
    }
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Returns the varint at the front of `bytes` and its length in bytes; `None` when they end within it.
fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, RepoError> {
    let wrong = RepoError::InvalidCar("a length is not a shortest varint");
    let Some(last) = bytes.iter().take(MAX_VARINT_BYTES).position(|byte| byte & 0x80 == 0) else {
        return if bytes.len() < MAX_VARINT_BYTES { Ok(None) } else { Err(wrong) };
    };
    if last > 0 && bytes[last] == 0 {
        return Err(wrong);
    }
    let number = bytes[..=last].iter().rev().fold(0, |number, byte| (number << 7) | u64::from(byte & 0x7f));
    Ok(Some((number, last + 1)))
}

/// Takes a length and as many bytes off the front of `rest`.
fn take_section<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], RepoError> {
    let (length, bytes) = varint(rest)?.ok_or(RepoError::InvalidCar(ENDS_EARLY))?;
    let after = &rest[bytes..];
    let length = usize::try_from(length).ok().filter(|length| *length <= after.len());
    let (section, after) = after.split_at(length.ok_or(RepoError::InvalidCar(ENDS_EARLY))?);
    *rest = after;
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::{cid, header, push_block, read};

    #[test]
    fn a_file_survives() {
        let blocks: Vec<_> = [vec![], vec![1], vec![2; 100], vec![3; 20_000]].map(|b| (cid::dag_cbor(&b), b)).into();
        let mut file = header(&blocks[1].0).unwrap();
        for (cid, bytes) in &blocks {
            push_block(&mut file, cid, bytes);
        }
        let car = read(&file).unwrap();
        assert_eq!(car.roots, [blocks[1].0]);
        assert_eq!(car.blocks, blocks.iter().map(|(cid, bytes)| (*cid, bytes.as_slice())).collect::<Vec<_>>());
        assert_eq!(read(&header(None).unwrap()).unwrap().roots, []);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let block = [7; 300];
        let mut file = header(&cid::dag_cbor(&block)).unwrap();
        let start = file.len();
        push_block(&mut file, &cid::dag_cbor(&block), &block);
        for end in (0..file.len()).filter(|end| *end != start) {
            assert!(read(&file[..end]).is_err(), "cut at {end}");
        }
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x80;
            // The header's root is the one place where a change makes another file that is well formed.
            assert!(read(&damaged).is_err() || (1..start).contains(&at), "changed at {at}");
        }
        for length in [&[0x80, 0x00][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert!(read(&[&file[..start], length].concat()).is_err());
        }
    }
}
