//! The operations of an operator on a hold.
//!
//! Each operation is one function over an opened [`Hold`](crate::hold::Hold). [`ROUTES`] is the table of all: the
//! daemon runs them for any process that may open its admin socket, and a command runs the same ones in its own process
//! when no daemon listens. See [`server::control`].
//!
//! This room knows no socket, no command line, no configuration and no terminal.

mod crew;
mod gc;
mod identity;
mod images;
mod repo;
mod routes;
mod storage;
mod successor;
mod uploads;

pub use crew::{BannedAccount, CrewAdd, CrewBan, CrewBans, CrewList, CrewRemove, CrewSet, CrewUnban, Member, Source};
pub use gc::{GcRun, collect_garbage, last_collection, put_last_collection};
pub use identity::{HeadSummary, Identity, IdentityShow, Service};
pub use images::{ImagesDelete, ImagesReconcile};
pub use repo::{Found, RepoExport, RepoImport, RepoImported, RepoVerified, RepoVerify};
pub use routes::ROUTES;
pub use storage::{AccountStorage, StorageAccounts, StorageAdopt, StorageMigrate, StorageUsage, StorageVerify};
pub use successor::{SuccessorExport, SuccessorImport, SuccessorImported};
pub use uploads::{Upload, UploadAborted, UploadsAbort, UploadsList};
