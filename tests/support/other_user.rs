//! A daemon of another user than root, and what root leaves in its directory.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const NOBODY: u32 = 65534;
/// The command that runs a program as nobody.
pub(crate) const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// Whether this user can become nobody, who can run the program.
pub(crate) fn can_be_nobody(program: &str) -> bool {
    let output = Command::new(AS_NOBODY[0]).args(&AS_NOBODY[1..]).args([program, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// All below a directory, and the directory.
pub(crate) fn all(path: &Path) -> Vec<PathBuf> {
    let below = std::fs::read_dir(path).into_iter().flatten().flat_map(|entry| all(&entry.unwrap().path()));
    below.chain([path.to_owned()]).collect()
}

/// Gives a directory to nobody, with all that is in it.
pub(crate) fn give_to_nobody(directory: &Path) {
    all(directory).iter().for_each(|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
}

/// What is root's below a directory.
pub(crate) fn of_root(directory: &Path) -> Vec<PathBuf> {
    all(directory).into_iter().filter(|path| path.symlink_metadata().unwrap().uid() == 0).collect()
}
