//! The schema of the front end's database: one script a version, of all rooms' tables together, for it is one file.
//!
//! What a table is for, and its SQL, is in the `tables` of the room that owns it.

use std::path::Path;

use server::sqlite::{Database, OpenError, Schema};

/// What the front end keeps in its database.
pub const SCHEMA: Schema = Schema {
    program: "atcr-appview",
    // "atav" in ASCII: what `file` and a careful operator see in the header.
    application_id: 0x6174_6176,
    migrations: &[
        include_str!("001_sessions.sql"),
        include_str!("002_uploads.sql"),
        include_str!("003_oauth.sql"),
        include_str!("004_devices.sql"),
        include_str!("005_operations.sql"),
        include_str!("006_referrers.sql"),
    ],
};

/// Opens or creates the database at `path`, takes its lock and brings it to the newest version.
///
/// # Errors
/// [`OpenError`] says what an operator can do.
pub fn open(path: &Path) -> Result<Database, OpenError> {
    Database::open(path, &SCHEMA)
}
