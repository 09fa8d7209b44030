//! A file system of a known size, for one test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; gone with this.
pub(super) struct Mount {
    pub(super) path: PathBuf,
}

impl Mount {
    /// Mounts one at `path`, an existing directory. An error says why that was refused.
    pub(super) fn new(path: PathBuf, options: &str) -> Result<Self, String> {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path))?;
        Ok(Self { path })
    }

    /// Changes options, such as `ro`.
    pub(super) fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.path)).unwrap();
    }

    /// Takes all the space there is, until the answer is removed again.
    pub(super) fn fill(&self) -> PathBuf {
        let path = self.path.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let zeros = vec![0; 1 << 20];
        // A write that does not fit whole is cut short; the last one fails.
        while file.write(&zeros).is_ok() {}
        path
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a daemon that is killed later may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// An error is the first line of what the command said.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.lines().next().unwrap_or_default().to_owned()) }
}

/// The names in a directory.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return vec![] };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
