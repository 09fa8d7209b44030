//! Reading an object: large reads on the blocking pool, memory bounded by one chunk a reader.

use std::fs::File;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

/// Bytes a read. Larger reads were no faster, 8 KiB reads cost ten times the processor time.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An object that was found; it stays readable when its key is given to other bytes.
#[derive(Debug)]
pub struct Object {
    file: File,
    size_bytes: u64,
}

impl Object {
    pub(super) fn new(file: File, size_bytes: u64) -> Self {
        Self { file, size_bytes }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes of `range`, in order. A range that reaches beyond the object ends in `UnexpectedEof`.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        stream::try_unfold((self.file, range), |(file, rest)| async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let end = rest.end.min(rest.start + CHUNK_BYTES);
            let job = move || read(&file, rest.start..end).map(|bytes| (bytes, file));
            let (bytes, file) = tokio::task::spawn_blocking(job).await.map_err(io::Error::other)??;
            Ok(Some((bytes, (file, end..rest.end))))
        })
    }
}

fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let wanted = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(wanted);
    while bytes.len() < wanted {
        let offset = range.start + bytes.len() as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for, and the read may have filled it.
    bytes.truncate(wanted);
    Ok(bytes.into())
}
