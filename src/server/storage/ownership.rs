//! The owner of what a command makes that root runs for a daemon of another user.

use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

/// Gives `made`, and what is between it and `directory`, to the owner of `directory`, as far as root owns it: a command
/// that root runs while no daemon does leaves nothing behind that the daemon may not use. Does nothing for another user.
/// Symbolic links are not followed.
///
/// # Errors
/// When the system reports an error.
pub fn give_to_owner_of(directory: &Path, made: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(directory)?;
    if owner.uid() == 0 {
        return Ok(());
    }
    let below = match made.strip_prefix(directory) {
        Err(_) if made.is_relative() => made,
        below => below.map_err(io::Error::other)?,
    };
    let mut path = directory.to_owned();
    for name in below {
        path.push(name);
        let found = std::fs::symlink_metadata(&path)?;
        if found.is_symlink() {
            break;
        }
        if found.uid() == 0 {
            lchown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}
