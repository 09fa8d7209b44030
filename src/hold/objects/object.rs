//! Reading an object, memory bounded by one chunk per reader. Bytes of a file in the page cache are read at once, the
//! others on the blocking pool: a cold disk delays no other connection. Large ranges of a file need no reader: the
//! kernel sends them.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use rustix::io::ReadWriteFlags;

use super::bucket::BucketObject;

/// Bytes per read. Larger reads were no faster; reads of 8 KiB cost ten times the processor time.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An open object. One in a file or in memory stays readable when its key is given to other bytes; reads of one in a
/// bucket fail then.
pub struct Object {
    size_bytes: u64,
    source: Source,
}

enum Source {
    File(Arc<File>),
    Memory(Bytes),
    Bucket(BucketObject),
}

impl Object {
    pub(super) fn in_file(file: File, size_bytes: u64) -> Self {
        Self { size_bytes, source: Source::File(Arc::new(file)) }
    }

    /// Makes an object of `bytes`.
    #[must_use]
    pub fn in_memory(bytes: Bytes) -> Self {
        Self { size_bytes: bytes.len() as u64, source: Source::Memory(bytes) }
    }

    pub(super) fn in_bucket(object: BucketObject) -> Self {
        Self { size_bytes: object.info.size_bytes, source: Source::Bucket(object) }
    }

    /// Reads a file of at most `most_bytes` into memory, if it is in the page cache; otherwise returns it unchanged.
    #[must_use]
    pub fn read_up_to(self, most_bytes: u64) -> Self {
        match &self.source {
            Source::File(file) if self.size_bytes <= most_bytes => {
                read_cached(file, 0..self.size_bytes).map_or(self, Self::in_memory)
            }
            _ => self,
        }
    }

    /// Returns the object's bytes if they are in memory.
    #[must_use]
    pub fn memory(&self) -> Option<&Bytes> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the object's size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the object's file, if it has one and `range` is longer than one read: then it is better sent than
    /// streamed.
    #[must_use]
    pub fn file_to_send(&self, range: &Range<u64>) -> Option<Arc<File>> {
        match &self.source {
            Source::File(file) if range.end.saturating_sub(range.start) > CHUNK_BYTES => Some(Arc::clone(file)),
            _ => None,
        }
    }

    /// Streams the bytes of `range`, in order. A range beyond the end of the object ends in `UnexpectedEof`.
    pub fn stream(self, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        match self.source {
            Source::File(file) => file_stream(file, range).boxed(),
            Source::Memory(bytes) => stream::iter([slice(&bytes, range)]).boxed(),
            Source::Bucket(object) => object.stream(range).boxed(),
        }
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({} bytes)", self.size_bytes)
    }
}

fn file_stream(file: Arc<File>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let begin = range.start;
    stream::try_unfold((file, range), move |(file, rest)| async move {
        if rest.is_empty() {
            return Ok(None);
        }
        if rest.start > begin {
            // Other tasks of this thread run between two chunks.
            tokio::task::yield_now().await;
        }
        let end = rest.end.min(rest.start + CHUNK_BYTES);
        if let Some(bytes) = read_cached(&file, rest.start..end) {
            return Ok(Some((bytes, (file, end..rest.end))));
        }
        let job = move || read(&file, rest.start..end).map(|bytes| (bytes, file));
        let (bytes, file) = tokio::task::spawn_blocking(job).await.map_err(io::Error::other)??;
        Ok(Some((bytes, (file, end..rest.end))))
    })
}

/// Reads from the page cache; returns `None` where it lacks some of `range`, or the file system cannot tell.
fn read_cached(file: &File, range: Range<u64>) -> Option<Bytes> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
    let into = &mut [IoSliceMut::new(&mut bytes)];
    let count = rustix::io::preadv2(file, into, range.start, ReadWriteFlags::NOWAIT).ok()?;
    (count == bytes.len()).then(|| bytes.into())
}

fn slice(bytes: &Bytes, range: Range<u64>) -> io::Result<Bytes> {
    let index = |at: u64| usize::try_from(at).ok().filter(|at| *at <= bytes.len());
    match (index(range.start), index(range.end)) {
        (Some(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
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
    // The allocator may have given more room than requested, and the read may have filled it.
    bytes.truncate(wanted);
    Ok(bytes.into())
}
