//! SQLite's errors as errors of storage.

use super::columns;
use crate::storage::{Origin, StorageError, count_fault};

/// SQLite found the database damaged. To be told from a damaged blob, its text names the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}; restore the database from a backup")]
pub struct DamagedDatabase(rusqlite::Error);

impl DamagedDatabase {
    /// Returns the message of SQLite.
    #[must_use]
    pub fn reason(&self) -> String {
        self.0.to_string()
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let error = match columns::damage_of(error) {
            Ok(source) => return Self::Damaged(source),
            Err(error) => without_secrets(error),
        };
        let error = match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::NoSpace(error.into()),
            Some(Code::ReadOnly | Code::CannotOpen | Code::DatabaseBusy | Code::DatabaseLocked) => {
                Self::Unavailable(error.into())
            }
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged(DamagedDatabase(error).into()),
            _ => Self::Failed(error.into()),
        };
        count_fault(Origin::Database, error)
    }
}

/// Returns the error without the statement or the path that the library adds: neither belongs in a log.
fn without_secrets(error: rusqlite::Error) -> rusqlite::Error {
    use rusqlite::Error::{SqlInputError, SqliteFailure};
    match error {
        SqlInputError { error, msg, .. } => SqliteFailure(error, Some(msg)),
        SqliteFailure(error, _) if error.code == rusqlite::ErrorCode::CannotOpen => SqliteFailure(error, None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::StorageError;

    #[test]
    fn errors_show_neither_statements_nor_paths() {
        let memory = Connection::open_in_memory().unwrap();
        let statement = memory.prepare("SELECT secret FROM nothing").unwrap_err();
        let path = Connection::open("/nonexistent/secret.db").unwrap_err();
        for error in [statement, path] {
            assert!(error.to_string().contains("secret"));
            assert!(!StorageError::from(error).to_string().contains("secret"));
        }
    }

    #[test]
    fn a_damaged_database_is_told_from_a_damaged_blob() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0xAA; 4096]).unwrap();
        let error = Connection::open(file.path()).unwrap().execute_batch("CREATE TABLE t (x)").unwrap_err();
        let told = StorageError::from(error);
        assert!(matches!(told, StorageError::Damaged(_)));
        let words = "storage is damaged: file is not a database; restore the database from a backup";
        assert_eq!(told.to_string(), words);
    }
}
