//! `backup`: a copy of the database. It is made in this process also while a daemon has the database open: this user
//! may write where the daemon's sandbox may not.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atproto::syntax::Datetime;
use clap::Args;

use super::{CommandError, ProgressLine};
use crate::control::Progress;
use crate::daemon::{EX_CONFIG, now_us};
use crate::sqlite::{BackupError, Read, Schema, back_up};
use crate::storage::{PartialFile, StorageError};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Age of a copy that was cut off, as by a signal, after which it is removed.
const LEFT_AFTER: Duration = Duration::from_hours(24);

/// Arguments of `backup`: the target of the copy, and the format of the result.
#[derive(Args)]
pub struct BackupArguments {
    /// The new file, or a directory, in which it is named after the current time. No file is overwritten.
    pub file: PathBuf,
    /// Keep this many copies in the directory, the newest, and remove older ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// A finished copy.
pub struct Copied<T> {
    /// The result of `inspect` on the copy.
    pub found: T,
    /// The path of the copy.
    pub file: PathBuf,
    /// Size of the copy.
    pub size_bytes: u64,
}

impl BackupArguments {
    /// Copies the database at `path`, showing the progress, and runs `inspect` on the copy. `remedy` is added to the
    /// error where there is no database.
    ///
    /// # Errors
    /// [`CommandError::Failed`] when the copy or `inspect` fails; [`CommandError::Usage`] for `keep` without a
    /// directory.
    pub async fn run<T: Send + 'static>(
        &self,
        path: &Path,
        schema: &'static Schema,
        remedy: &str,
        inspect: impl FnOnce(&Read<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<Copied<T>, CommandError> {
        let failed = |error: String| CommandError::failed(error);
        let directory = self.file.is_dir().then_some(self.file.as_path());
        if directory.is_none() && self.keep.is_some() {
            return Err(CommandError::Usage("--keep is for a directory that is there".into()));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let file = directory.map_or_else(|| self.file.clone(), |directory| directory.join(name_of(&stem, now_us())));
        let (database, target) = (path.to_owned(), file.clone());
        let mut copying = tokio::task::spawn_blocking(move || back_up(&database, schema, &target, inspect));
        let total = std::fs::metadata(path).ok().map(|metadata| metadata.len());
        let mut line = ProgressLine::new();
        let copied = loop {
            tokio::select! {
                copied = &mut copying => break copied.map_err(|error| failed(error.to_string()))?,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let done = size_of(&PartialFile::path_of(&file)).unwrap_or_default();
                    line.show(&Progress { done, total, unit: "bytes".into() });
                }
            }
        };
        drop(line);
        let found = copied.map_err(|error| match error {
            BackupError::NoDatabase(_) => CommandError::with_exit_code(&format!("{error}: {remedy}"), EX_CONFIG),
            BackupError::Open(open) if !open.is_transient() => CommandError::with_exit_code(&open, EX_CONFIG),
            error => failed(error.to_string()),
        })?;
        if let (Some(directory), Some(keep)) = (directory, self.keep) {
            remove_older(directory, &stem, keep, &file)
                .map_err(|error| failed(format!("older copies stay: {error}")))?;
        }
        let size_bytes = size_of(&file).unwrap_or_default();
        Ok(Copied { found, file, size_bytes })
    }
}

/// Returns the name of a copy made now: `hold-2026-11-29T09-30-00Z.db`. Colons are not allowed in names on every file
/// system.
fn name_of(stem: &str, now_us: u64) -> String {
    let now = Datetime::from_micros(now_us).to_string().replace(':', "-");
    let second = now.split(['.', 'Z']).next().unwrap_or_default();
    format!("{stem}-{second}Z.db")
}

/// Removes copies named by [`name_of`], except `made` and the newest others, `keep` in all. `made` stays whatever its name:
/// others may be named after a time that the clock has yet to reach. Copies that were cut off long ago go too.
fn remove_older(directory: &Path, stem: &str, keep: u64, made: &Path) -> io::Result<()> {
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_str().unwrap_or_default();
        if is_copy(name, stem) && path != made {
            copies.push(path);
        } else if name.strip_suffix(".part").is_some_and(|name| is_copy(name, stem)) && is_left(&entry) {
            std::fs::remove_file(path)?;
        }
    }
    copies.sort_unstable();
    let kept = usize::try_from(keep).unwrap_or(usize::MAX).saturating_sub(1);
    let older = copies.len().saturating_sub(kept);
    copies[..older].iter().try_for_each(std::fs::remove_file)
}

/// Whether nothing was written to a file for so long that no copy is being made there any more; also when it was written
/// while the clock was that much ahead.
fn is_left(file: &DirEntry) -> bool {
    let written = file.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().unwrap_or_else(|ahead| ahead.duration()) > LEFT_AFTER)
}

fn is_copy(name: &str, stem: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00T00-00-00Z";
    let moment = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".db"));
    moment.is_some_and(|moment| {
        let mut pairs = moment.bytes().zip(FORM);
        moment.len() == FORM.len()
            && pairs.all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == *form })
    })
}

fn size_of(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::{is_copy, name_of, remove_older};

    #[test]
    fn older_copies_go_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let copies: Vec<_> = (0..4).map(|day| name_of("hold", day * 86_400_000_000)).collect();
        assert_eq!(copies[1], "hold-1970-01-02T00-00-00Z.db");
        let others =
            ["hold-2026-11-23.db", "hold.db", "other-1970-01-02T00-00-00Z.db", "hold-1970-01-02T00-00-00Z.db.part"];
        for name in copies.iter().map(String::as_str).chain(others) {
            std::fs::write(place(name), b"").unwrap();
        }
        assert!(copies.iter().all(|name| is_copy(name, "hold")));
        remove_older(directory.path(), "hold", 2, &place(&copies[3])).unwrap();
        let there: Vec<_> = copies.iter().map(|name| place(name).exists()).collect();
        assert_eq!(there, [false, false, true, true]);
        assert!(others.iter().all(|name| place(name).exists()));
        remove_older(directory.path(), "hold", 9, &place(&copies[3])).unwrap();
        assert!(place(&copies[2]).exists());
    }

    #[test]
    fn the_copy_that_was_just_made_stays_also_when_others_have_later_names() {
        let directory = tempfile::tempdir().unwrap();
        let place = |day: u64| directory.path().join(name_of("hold", day * 86_400_000_000));
        for day in [1, 2, 1000, 1001] {
            std::fs::write(place(day), b"").unwrap();
        }
        // The clock was ahead once, and is right again.
        remove_older(directory.path(), "hold", 2, &place(2)).unwrap();
        assert_eq!([1, 2, 1000, 1001].map(|day| place(day).exists()), [false, true, false, true]);
        remove_older(directory.path(), "hold", 1, &place(2)).unwrap();
        assert_eq!([2, 1001].map(|day| place(day).exists()), [true, false]);
    }

    #[test]
    fn a_copy_that_was_cut_off_goes_after_a_day() {
        let directory = tempfile::tempdir().unwrap();
        let part = |day: u64| directory.path().join(format!("{}.part", name_of("hold", day * 86_400_000_000)));
        let made = directory.path().join(name_of("hold", 4 * 86_400_000_000));
        for file in [&part(1), &part(2), &part(3), &made] {
            std::fs::write(file, b"").unwrap();
        }
        let now = std::fs::metadata(part(1)).unwrap().modified().unwrap();
        // The clock was ahead when the third was cut off.
        for (file, at) in [(part(1), now - 2 * super::LEFT_AFTER), (part(3), now + 2 * super::LEFT_AFTER)] {
            std::fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        }
        remove_older(directory.path(), "hold", 1, &made).unwrap();
        assert_eq!([part(1), part(2), part(3), made].map(|file| file.exists()), [false, true, false, true]);
    }
}
