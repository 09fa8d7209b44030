//! What an operator may do to a hold from the shell, and the local socket over which a running hold does it.
//!
//! An [`Operation`] is one function over an opened [`Hold`](crate::hold::Hold): the daemon runs it for whoever may open its socket file
//! ([`serve`] is the table), and a command runs the same one in its own process when no daemon is there. [`Client`]
//! is the other end of the socket. Who may connect is the file's mode (0600); there is no token.
//!
//! The wire is HTTP/1.1: `POST /<name>` with the operation as JSON. The answer is `application/x-ndjson`: lines of
//! progress, then exactly one of a result or an error; an answer without that last line was cut off. An [`Export`]
//! answers bytes instead; an [`Import`] is sent bytes, and its JSON in a header.
//!
//! This room knows no command line, no configuration and no terminal.

mod client;
mod crew;
mod error;
mod gc;
mod identity;
mod images;
mod operation;
mod repo;
mod socket;
mod storage;
mod successor;
mod uploads;
mod wire;

pub use client::{Client, Connection};
pub use crew::{BannedAccount, CrewAdd, CrewBan, CrewBans, CrewList, CrewRemove, CrewSet, CrewUnban, Member, Source};
pub use error::AdminError;
pub use gc::{GcRun, collect_garbage};
pub use identity::{Head, Identity, IdentityShow, Service};
pub use images::ImagesReconcile;
pub use operation::{ByteStream, Export, Import, Operation, Progress, Reporter};
pub use repo::{Found, RepoExport, RepoImport, RepoImported, RepoVerified, RepoVerify};
pub use socket::serve;
pub use storage::{StorageAdopt, StorageMigrate, StorageUsage, StorageVerify};
pub use successor::{SuccessorExport, SuccessorImport, SuccessorImported};
pub use uploads::{Upload, UploadAborted, UploadsAbort, UploadsList};
