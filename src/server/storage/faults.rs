//! Counters of storage errors, by origin and kind. They are global to the process: an error is counted where it is
//! made, far from the owner of the file, the database or the bucket.

use super::StorageError;
use crate::metrics::{Counter, MetricKind, Text};

/// The origin of a storage error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file or a directory.
    Filesystem,
    /// An object store.
    Bucket,
    /// SQLite.
    Database,
}

const ORIGINS: [&str; 3] = ["filesystem", "bucket", "database"];
const KINDS: [&str; 5] = ["no_space", "unavailable", "refused", "damaged", "failed"];

static FAULTS: [[Counter; KINDS.len()]; ORIGINS.len()] = [const { [const { Counter::new() }; KINDS.len()] }; 3];

/// Counts an error, and returns it.
#[must_use]
pub fn count_fault(origin: Origin, error: StorageError) -> StorageError {
    let kind = match &error {
        StorageError::NoSpace(_) => 0,
        StorageError::Unavailable(_) => 1,
        StorageError::Refused(_) => 2,
        StorageError::Damaged(_) => 3,
        StorageError::Failed(_) => 4,
    };
    FAULTS[origin as usize][kind].inc();
    error
}

/// Writes the counters, with a name that begins with `program`.
pub fn show_faults(text: &mut Text, program: &str) {
    let help = "Errors of the file system, the bucket or the database, by kind.";
    let mut family = text.family(&format!("{program}_storage_errors_total"), MetricKind::Counter, help);
    for (origin, kind, count) in faults() {
        family.value(&[("backend", origin), ("kind", kind)], count);
    }
}

/// Returns the errors of the file system, the bucket and the database since the process began: the origin
/// (`filesystem`, `bucket`, `database`), the kind (a [`StorageError`]), the number.
pub fn faults() -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let of = |(origin, counts): (&'static str, &'static [Counter; KINDS.len()])| {
        KINDS.into_iter().zip(counts).map(move |(kind, count)| (origin, kind, count.get()))
    };
    ORIGINS.into_iter().zip(&FAULTS).flat_map(of)
}
