//! Logging: to the journal when standard error is connected to it, else to standard error as text.

use std::io;

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

/// Errors of setting up logging.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is neither a level name nor a filter.
    #[error("not a log level: {0}")]
    Level(#[from] ParseError),
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up the log of this process; `program` is its identifier in the journal. `level` is `error`, `warn`, `info`,
/// `debug`, `trace`, or a filter such as `info,atcr_hold=debug`.
/// <https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/targets/struct.Targets.html>
///
/// # Errors
/// [`LoggingError`]
pub fn init(program: &str, level: &str) -> Result<(), LoggingError> {
    let filter: Targets = level.parse()?;
    let sink = if stderr_is_journal() { journal(program).unwrap_or_else(|_| text()) } else { text() };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(sink.with_filter(filter)))
        .map_err(|_| LoggingError::Twice)
}

type Sink = Box<dyn Layer<Registry> + Send + Sync>;

fn journal(program: &str) -> io::Result<Sink> {
    // By default INFO becomes "notice", and fields get the prefix `F_`.
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = tracing_journald::layer()?.with_priority_mappings(priorities).with_field_prefix(None);
    Ok(layer.with_syslog_identifier(program.into()).boxed())
}

fn text() -> Sink {
    tracing_subscriber::fmt::layer().compact().with_ansi(false).with_writer(io::stderr).boxed()
}

/// Whether standard error is the journal's socket. The service manager names that in `JOURNAL_STREAM` as
/// `device:inode`; standard error may since have been redirected.
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html>
fn stderr_is_journal() -> bool {
    #[expect(clippy::disallowed_methods, reason = "it describes standard error, and is no setting of ours")]
    let named = std::env::var("JOURNAL_STREAM").ok();
    named.is_some_and(|named| is_stream(&named, io::stderr()))
}

fn is_stream(named: &str, file: impl std::os::fd::AsFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    use super::is_stream;

    #[test]
    fn a_stream_is_known_by_device_and_inode() {
        let file = File::open("/dev/null").unwrap();
        let meta = file.metadata().unwrap();
        assert!(is_stream(&format!("{}:{}", meta.dev(), meta.ino()), &file));
        assert!(!is_stream(&format!("{}:{}", meta.dev(), meta.ino() + 1), &file));
        assert!(!is_stream("", &file));
    }
}
