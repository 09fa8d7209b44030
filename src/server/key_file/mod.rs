//! The file of the signing key: `signing.key`, 64 hexadecimal digits and a newline, mode 0600.
//!
//! It is written once and never overwritten: a lost or changed key is a lost identity. The caller decides whether a
//! missing file is fatal (it is beside an existing database). Nothing here logs, and no error repeats what the file
//! contains.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::Zeroizing;

use crate::storage::{directory_of, give_to_owner_of};
use atproto::keys::SigningKey;

/// The name of the key file in its directory.
pub const FILE_NAME: &str = "signing.key";
const KEY_BYTES: usize = 32;
const HEX_DIGITS: usize = 2 * KEY_BYTES;

/// Errors of reading or writing the key. Each is one line with the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Group or others have a permission on the file.
    #[error("key file {0} can be read or changed by other users: chmod 600 {0}")]
    Loose(PathBuf),
    /// The path is a directory, a pipe or a device.
    #[error("key file {0} is not a regular file: put the key there, or move that aside")]
    NotAFile(PathBuf),
    /// The file has the wrong length, other characters, or a number that is not a valid key.
    #[error(
        "key file {0} is damaged (it must be 64 hexadecimal digits): restore it from a backup; it was left as it is"
    )]
    Damaged(PathBuf),
    /// The file exists already.
    #[error("key file {0} exists: it is never overwritten; move it aside if it is really to be replaced")]
    Exists(PathBuf),
    /// An I/O error.
    #[error("key file {path} cannot be {action}: {reason}; let this user own it and its directory")]
    Unreachable {
        /// The key file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The text of the I/O error.
        reason: String,
    },
}

/// Generates a random key.
///
/// # Errors
/// When the system provides no random numbers.
pub fn generate() -> Result<SigningKey, getrandom::Error> {
    loop {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut())?;
        // All but a vanishing part of 256-bit numbers are valid keys.
        if let Ok(key) = SigningKey::from_bytes(&bytes) {
            return Ok(key);
        }
    }
}

/// Reads the key at `path`. Returns `None` when there is no such file.
///
/// # Errors
/// [`KeyFileError`], also for a key that other users may read: it must be considered known to them.
pub fn load(path: &Path) -> Result<Option<SigningKey>, KeyFileError> {
    let unreachable = |error| unreachable(path, "read", &error);
    // Without O_NONBLOCK the opening of a FIFO would wait for its other end.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = match OpenOptions::new().read(true).custom_flags(nonblock).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreachable(error)),
    };
    let metadata = file.metadata().map_err(unreachable)?;
    if !metadata.is_file() {
        return Err(KeyFileError::NotAFile(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(KeyFileError::Loose(path.to_owned()));
    }
    let mut text = Zeroizing::new([0; HEX_DIGITS + 2]);
    let length = read_up_to(&mut file, text.as_mut_slice()).map_err(unreachable)?;
    parse(&text[..length]).map(Some).ok_or_else(|| KeyFileError::Damaged(path.to_owned()))
}

/// Writes `key` to `path`, which must not exist; its directory is created (mode 0700) when missing. The file is written
/// atomically, and synced to disk.
///
/// # Errors
/// [`KeyFileError::Exists`] when the file exists, [`KeyFileError::Unreachable`] for an I/O error.
pub fn create(path: &Path, key: &SigningKey) -> Result<(), KeyFileError> {
    let directory = directory_of(path);
    let temporary = path.with_added_extension("new");
    let failed = |error: std::io::Error| unreachable(path, "written", &error);
    make_directory(directory).map_err(failed)?;
    let stored = write_synced(&temporary, key).map_err(failed).and_then(|()| {
        // A hard link, not a rename: it fails where a rename would replace another key.
        std::fs::hard_link(&temporary, path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => failed(error),
        })
    });
    // Also after a failure: no second copy of a secret is left.
    let removed = std::fs::remove_file(&temporary).map_err(failed);
    stored.and(removed)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn unreachable(path: &Path, action: &'static str, error: &std::io::Error) -> KeyFileError {
    KeyFileError::Unreachable { path: path.to_owned(), action, reason: error.to_string() }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Parses the text of a key file. Returns `None` when it is not a valid key.
#[must_use]
pub fn parse(text: &[u8]) -> Option<SigningKey> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    if digits.len() != HEX_DIGITS {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    HEXLOWER_PERMISSIVE.decode_mut(digits, bytes.as_mut_slice()).ok()?;
    SigningKey::from_bytes(&bytes).ok()
}

/// Creates `directory` and its missing parents; every new entry is synced, so that the key is not lost with one.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory_of(directory);
    make_directory(parent)?;
    DirBuilder::new().mode(0o700).create(directory)?;
    give_to_owner_of(parent, directory)?;
    File::open(parent)?.sync_all()
}

fn write_synced(temporary: &Path, key: &SigningKey) -> std::io::Result<()> {
    // Left by a crash between writing and linking; it was never the key.
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut text = Zeroizing::new([b'\n'; HEX_DIGITS + 1]);
    HEXLOWER.encode_mut(key.to_bytes().as_slice(), &mut text[..HEX_DIGITS]);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    give_to_owner_of(directory_of(temporary), temporary)?;
    file.write_all(text.as_slice())?;
    file.sync_all()
}
