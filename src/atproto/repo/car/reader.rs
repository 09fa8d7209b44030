//! Reads a CAR file piece by piece, in constant memory.

use std::ops::Range;

use super::{ENDS_EARLY, read_block, read_header, varint};
use crate::repo::{Cid, RepoError};

/// A CAR file whose bytes arrive in pieces of any size. It holds one block, and the bytes pushed and not yet taken.
///
/// Call [`Reader::push`] with a piece, [`Reader::next_block`] until it returns `None`, and so on; [`Reader::finish`]
/// after the last piece. After an error the reader must not be used again.
#[derive(Debug)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Start of the bytes in `buffer` that were not taken yet.
    start: usize,
    max_section_bytes: usize,
    roots: Option<Vec<Cid>>,
}

impl Reader {
    /// Creates a reader that refuses sections (a block with its CID, or the header) of more than `max_section_bytes`.
    #[must_use]
    pub fn new(max_section_bytes: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, max_section_bytes, roots: None }
    }

    /// Adds the next bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the roots in the header; `None` as long as it is not complete.
    #[must_use]
    pub fn roots(&self) -> Option<&[Cid]> {
        self.roots.as_deref()
    }

    /// Returns the next block, verified to have the hash of its CID; `None` until more bytes are pushed.
    ///
    /// # Errors
    /// As [`super::read`], and [`RepoError::InvalidCar`] for a section above the limit, before its bytes have arrived.
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>, RepoError> {
        if self.roots.is_none() {
            let Some(header) = self.section()? else { return Ok(None) };
            self.roots = Some(read_header(&self.buffer[header])?);
        }
        match self.section()? {
            Some(section) => read_block(&self.buffer[section]).map(Some),
            None => Ok(None),
        }
    }

    /// Checks that the file is complete.
    ///
    /// # Errors
    /// [`RepoError::InvalidCar`] within the header or a block.
    pub fn finish(self) -> Result<(), RepoError> {
        if self.roots.is_some() && self.start == self.buffer.len() {
            Ok(())
        } else {
            Err(RepoError::InvalidCar(ENDS_EARLY))
        }
    }

    /// Takes the next section; `None` when it is not complete.
    fn section(&mut self) -> Result<Option<Range<usize>>, RepoError> {
        let rest = &self.buffer[self.start..];
        let Some((length, bytes)) = varint(rest)? else { return Ok(None) };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.max_section_bytes);
        let length = length.ok_or(RepoError::InvalidCar("a block is larger than a repository may have"))?;
        if rest.len() - bytes < length {
            return Ok(None);
        }
        let begin = self.start + bytes;
        self.start = begin + length;
        Ok(Some(begin..self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;
    use crate::repo::{Cid, RepoError, car, cid};

    type File = (Vec<Cid>, Vec<(Cid, Vec<u8>)>);

    fn read(file: &[u8], piece: usize, max: usize) -> Result<File, RepoError> {
        let (mut reader, mut blocks) = (Reader::new(max), Vec::new());
        for piece in file.chunks(piece) {
            reader.push(piece);
            while let Some((cid, bytes)) = reader.next_block()? {
                blocks.push((cid, bytes.to_vec()));
            }
        }
        let roots = reader.roots().unwrap_or_default().to_vec();
        reader.finish()?;
        Ok((roots, blocks))
    }

    #[test]
    fn pieces_of_any_size_are_the_same_file() {
        let blocks: Vec<_> = [vec![], vec![1], vec![2; 100], vec![3; 20_000]].map(|b| (cid::dag_cbor(&b), b)).into();
        let mut file = car::header(&blocks[1].0).unwrap();
        for (cid, bytes) in &blocks {
            car::push_block(&mut file, cid, bytes);
        }
        for piece in [1, 2, 7, 1000, file.len()] {
            assert_eq!(read(&file, piece, 20_036).unwrap(), (vec![blocks[1].0], blocks.clone()));
        }
        for end in 0..file.len() {
            assert_eq!(read(&file[..end], 64, 20_036).is_ok(), car::read(&file[..end]).is_ok(), "cut at {end}");
        }
        assert!(read(&[&file[..], &[0]].concat(), 64, 20_036).is_err(), "a section without a CID");
        assert!(read(&file, 64, 20_035).is_err(), "a block above the limit");
    }

    #[test]
    fn a_length_is_judged_before_its_bytes_come() {
        let mut reader = Reader::new(1000);
        reader.push(&[0xff, 0xff, 0xff, 0x7f]);
        assert!(reader.next_block().is_err());
    }
}
