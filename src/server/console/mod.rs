//! The parts that all command lines share: output, tables, progress, errors with their exit codes, finding the daemon,
//! the manual, and shell completions.
//!
//! Results go to standard output, as text or as one JSON document; errors, warnings and progress to standard error, an
//! error in one line. A program keeps its commands and what each of them prints.
//!
//! Exit codes: 0 done, 1 failed or refused, 64 wrong usage, 78 wrong configuration.

mod arguments;
mod backup;
mod command;
mod completions;
mod error;
mod manual;
mod progress;
mod table;
mod target;
mod transfer;
mod units;

pub use arguments::{CommandGroup, ServeArguments, SourceArguments, listed_number, parse};
pub use backup::{BackupArguments, Copied};
pub use command::{check_config, finish, run, warn};
pub use completions::CompletionsArguments;
pub use error::CommandError;
pub use manual::{ManPagesArguments, Manual, ManualArguments};
pub mod output;
pub use progress::ProgressLine;
pub use table::{NONE, duration, size, table};
pub use target::{DaemonPaths, Target};
pub use transfer::{export_to, read_file};
pub use units::{Units, UnitsArguments};
