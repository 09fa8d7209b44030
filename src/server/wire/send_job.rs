//! A job on the blocking pool: a piece of a file goes to a socket by sendfile(2).
//!
//! To start a job costs more than to send, so a job goes on while the peer reads fast. Few do so at once: the pool is
//! there for others, too.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use tokio::sync::Semaphore;

use super::file_fault::FileFault;
use crate::daemon::BLOCKING_THREADS;

/// Limit of one call of sendfile, as in nginx: about what a socket of a fast peer accepts.
const CALL_BYTES: usize = 2 * 1024 * 1024;
/// Limit of one read where a file system has no sendfile.
const COPY_BYTES: usize = 64 * 1024;
/// Number of concurrent jobs for disks that are known to be slow.
const MAX_SLOW_JOBS: usize = BLOCKING_THREADS / 2;
/// Number of concurrent jobs that wait for their peers.
const WAITING_JOBS: usize = BLOCKING_THREADS / 4;

/// The limits of a job beside others that wait for their peers: such threads are few.
const BESIDE_OTHERS: Limits =
    Limits { call: Duration::from_millis(10), wait: Duration::from_millis(2), job: Duration::from_millis(20) };
/// Those of a job that begins while no other waits: it has the threads to wait for a peer that pauses for some
/// milliseconds, as one that limits its own rate.
const ALONE: Limits = Limits { wait: Duration::from_millis(10), job: Duration::from_millis(100), ..BESIDE_OTHERS };

static SLOW_JOBS: Semaphore = Semaphore::const_new(MAX_SLOW_JOBS);
static WAITING: Semaphore = Semaphore::const_new(WAITING_JOBS);

/// The rest of a file's range to send.
#[derive(Clone, Debug)]
pub(super) struct FileRange {
    pub(super) file: Arc<File>,
    pub(super) range: Range<u64>,
    /// Gets the error when the file cannot be read.
    pub(super) fault: FileFault,
}

/// The result of a job: the number of bytes sent, 0 at the end of the file, and whether a call took long.
pub(super) struct Sent {
    pub(super) count: io::Result<usize>,
    pub(super) was_slow: bool,
}

/// The time that parts of a job may take.
struct Limits {
    /// A call that takes this long has waited for a disk.
    call: Duration,
    /// How long the peer has to read some of what fills the socket.
    wait: Duration,
    /// Age at which a job ends although the peer reads.
    job: Duration,
}

/// Sends of a piece what the socket accepts, and goes on while the peer reads fast. Waits for a slot first if the last
/// call was slow.
pub(super) async fn send_on_pool(socket: OwnedFd, piece: FileRange, was_slow: bool) -> Sent {
    // The semaphore is never closed, so there is a slot.
    let slot = if was_slow { SLOW_JOBS.acquire().await.ok() } else { None };
    let job = move || {
        let _slot = slot;
        let is_alone = WAITING.available_permits() == WAITING_JOBS;
        run(&socket, piece, if is_alone { &ALONE } else { &BESIDE_OTHERS })
    };
    let done = tokio::task::spawn_blocking(job).await;
    done.unwrap_or_else(|error| Sent { count: Err(io::Error::other(error)), was_slow })
}

fn run(socket: &OwnedFd, mut piece: FileRange, limits: &Limits) -> Sent {
    let began = Instant::now();
    let start = piece.range.start;
    let mut waiting = None;
    loop {
        let called = Instant::now();
        let sent = send(socket, &piece);
        let was_slow = called.elapsed() >= limits.call;
        piece.range.start += sent.as_ref().map_or(0, |count| *count as u64);
        let goes_on = match &sent {
            Ok(count) => *count > 0 && !piece.range.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if goes_on && !was_slow && began.elapsed() < limits.job {
            waiting = waiting.or_else(|| WAITING.try_acquire().ok());
            if waiting.is_some() && becomes_writable(socket, limits.wait).unwrap_or(false) {
                continue;
            }
        }
        // The bytes of a piece fit. After some of them an error waits: the next job meets it again.
        let count = if piece.range.start > start { Ok((piece.range.start - start) as usize) } else { sent };
        return Sent { count, was_slow };
    }
}

/// Waits until the socket accepts bytes. Returns whether it does within `limit`.
pub(super) fn becomes_writable(socket: impl AsFd, limit: Duration) -> io::Result<bool> {
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    let mut sockets = [PollFd::new(&socket, PollFlags::OUT)];
    Ok(retry_on_intr(|| poll(&mut sockets, Some(&limit)))? > 0)
}

/// Sends as much of a piece as the socket accepts without waiting for the peer. Returns 0 at the end of the file.
fn send(socket: &OwnedFd, FileRange { file, range, .. }: &FileRange) -> io::Result<usize> {
    let count = usize::try_from(range.end - range.start).map_or(CALL_BYTES, |rest| rest.min(CALL_BYTES));
    let sent = retry_on_intr(|| rustix::fs::sendfile(socket, file, Some(&mut { range.start }), count));
    match sent {
        // A file system, or a sandbox, without sendfile.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => copy(socket, file, range.start, count),
        sent => Ok(sent?),
    }
}

fn copy(socket: &OwnedFd, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    let mut bytes = vec![0; count.min(COPY_BYTES)];
    let read = retry_on_intr(|| rustix::io::pread(file, &mut bytes[..], offset))?;
    if read == 0 { Ok(0) } else { Ok(retry_on_intr(|| rustix::io::write(socket, &bytes[..read]))?) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use tokio::sync::SemaphorePermit;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const PATIENT: Limits = Limits { call: LONG, wait: LONG, job: LONG };
    /// More than a socket accepts at once.
    const LARGE: usize = 4 * 1024 * 1024;

    pub(in super::super) fn range(bytes: &[u8]) -> FileRange {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        FileRange { file: Arc::new(file), range: 0..bytes.len() as u64, fault: FileFault::new(drop) }
    }

    pub(in super::super) async fn all_slow_slots() -> SemaphorePermit<'static> {
        SLOW_JOBS.acquire_many(MAX_SLOW_JOBS as u32).await.unwrap()
    }

    fn pair() -> (OwnedFd, UnixStream) {
        let (socket, peer) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket.into(), peer)
    }

    fn bytes() -> Vec<u8> {
        (0..LARGE).map(|index| (index / 7) as u8).collect()
    }

    #[test]
    fn a_job_goes_on_while_the_peer_reads() {
        let (socket, mut peer) = pair();
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).unwrap();
            got
        });
        let sent = run(&socket, range(&bytes()), &PATIENT);
        assert_eq!(sent.count.unwrap(), LARGE);
        drop(socket);
        assert!(reader.join().unwrap() == bytes());
    }

    #[test]
    fn a_job_ends_when_the_peer_does_not_read_and_when_it_is_old() {
        let impatient = Limits { wait: Duration::from_millis(1), ..PATIENT };
        let short = Limits { job: Duration::ZERO, ..PATIENT };
        for limits in [impatient, short] {
            let (socket, _peer) = pair();
            let sent = run(&socket, range(&bytes()), &limits).count.unwrap();
            assert!(0 < sent && sent < LARGE, "{sent}");
            // Nothing more fits.
            let full = run(&socket, range(&bytes()), &limits).count.unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn what_was_sent_before_an_error_counts() {
        let (socket, mut peer) = pair();
        let short = FileRange { range: 0..10, ..range(b"short") };
        assert_eq!(run(&socket, short.clone(), &PATIENT).count.unwrap(), 5);
        assert_eq!(run(&socket, FileRange { range: 5..10, ..short }, &PATIENT).count.unwrap(), 0);
        let mut got = [0; 5];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"short");
    }

    #[test]
    fn a_file_system_without_sendfile_is_read() {
        let (socket, mut peer) = pair();
        let piece = FileRange { range: 2..5, ..range(b"0123456789") };
        assert_eq!(copy(&socket, &piece.file, 2, 3).unwrap(), 3);
        drop(socket);
        let mut got = String::new();
        peer.read_to_string(&mut got).unwrap();
        assert_eq!(got, "234");
    }
}
