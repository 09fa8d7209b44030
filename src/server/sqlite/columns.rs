//! Reading of columns that hold more than SQLite's own types, and limits in SQLite's.

use rusqlite::types::Type;
use rusqlite::{Error, Row};

use crate::storage::Source;

/// Methods that read a column of a row, by its index.
pub trait Columns {
    /// Returns a number that was stored with `cast_signed`.
    ///
    /// # Errors
    /// When the column has another type; the same below.
    fn number(&self, column: usize) -> rusqlite::Result<u64>;

    /// As [`Columns::number`]; `None` for NULL.
    ///
    /// # Errors
    /// As [`Columns::number`].
    fn number_or_null(&self, column: usize) -> rusqlite::Result<Option<u64>>;

    /// Parses a text.
    ///
    /// # Errors
    /// As [`Columns::number`]; the error of `parse`, which becomes
    /// [`StorageError::Damaged`](crate::storage::StorageError::Damaged).
    fn parse<T, E: Into<Source>>(&self, column: usize, parse: impl FnOnce(&str) -> Result<T, E>)
    -> rusqlite::Result<T>;

    /// As [`Columns::parse`]; `None` for NULL.
    ///
    /// # Errors
    /// As [`Columns::parse`].
    fn parse_or_null<T, E: Into<Source>>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> rusqlite::Result<Option<T>>;

    /// As [`Columns::parse`], of bytes.
    ///
    /// # Errors
    /// As [`Columns::parse`].
    fn parse_bytes<T, E: Into<Source>>(
        &self,
        column: usize,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> rusqlite::Result<T>;
}

/// Returns a number of rows, for `LIMIT` or `OFFSET`, as SQLite's number. One that is too large for that is the largest.
pub fn row_limit(rows: impl TryInto<i64>) -> i64 {
    rows.try_into().unwrap_or(i64::MAX)
}

impl Columns for Row<'_> {
    fn number(&self, column: usize) -> rusqlite::Result<u64> {
        self.get(column).map(i64::cast_unsigned)
    }

    fn number_or_null(&self, column: usize) -> rusqlite::Result<Option<u64>> {
        Ok(self.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
    }

    fn parse<T, E: Into<Source>>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> rusqlite::Result<T> {
        parse(&self.get::<_, String>(column)?).map_err(|error| damaged(column, Type::Text, error))
    }

    fn parse_or_null<T, E: Into<Source>>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> rusqlite::Result<Option<T>> {
        let text = self.get::<_, Option<String>>(column)?;
        text.map(|text| parse(&text)).transpose().map_err(|error| damaged(column, Type::Text, error))
    }

    fn parse_bytes<T, E: Into<Source>>(
        &self,
        column: usize,
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> rusqlite::Result<T> {
        parse(&self.get::<_, Vec<u8>>(column)?).map_err(|error| damaged(column, Type::Blob, error))
    }
}

/// Why a column could not be parsed: this program did not write it so.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Damage(Source);

fn damaged(column: usize, stored: Type, error: impl Into<Source>) -> Error {
    Error::FromSqlConversionFailure(column, stored, Box::new(Damage(error.into())))
}

/// Returns the error of a column that could not be parsed, or any other error as it is.
pub(super) fn damage_of(error: Error) -> Result<Source, Error> {
    let Error::FromSqlConversionFailure(column, stored, source) = error else { return Err(error) };
    match source.downcast::<Damage>() {
        Ok(damage) => Ok(damage.0),
        Err(source) => Err(Error::FromSqlConversionFailure(column, stored, source)),
    }
}
