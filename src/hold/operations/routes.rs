//! The table of operations.

use super::{
    CrewAdd, CrewBan, CrewBans, CrewList, CrewRemove, CrewSet, CrewUnban, GcRun, IdentityShow, ImagesDelete,
    ImagesReconcile, RepoExport, RepoImport, RepoVerify, StorageAccounts, StorageAdopt, StorageMigrate, StorageUsage,
    StorageVerify, SuccessorExport, SuccessorImport, UploadsAbort, UploadsList,
};
use crate::hold::Hold;
use server::control::AdminRoute;

/// All operations of the admin socket.
pub static ROUTES: [AdminRoute<Hold>; 23] = [
    AdminRoute::operation::<CrewList>(),
    AdminRoute::operation::<CrewAdd>(),
    AdminRoute::operation::<CrewSet>(),
    AdminRoute::operation::<CrewRemove>(),
    AdminRoute::operation::<CrewBan>(),
    AdminRoute::operation::<CrewUnban>(),
    AdminRoute::operation::<CrewBans>(),
    AdminRoute::operation::<IdentityShow>(),
    AdminRoute::operation::<UploadsList>(),
    AdminRoute::operation::<UploadsAbort>(),
    AdminRoute::operation::<StorageUsage>(),
    AdminRoute::operation::<StorageAccounts>(),
    AdminRoute::operation::<StorageVerify>(),
    AdminRoute::operation::<StorageAdopt>(),
    AdminRoute::operation::<StorageMigrate>(),
    AdminRoute::operation::<GcRun>(),
    AdminRoute::operation::<ImagesReconcile>(),
    AdminRoute::operation::<ImagesDelete>(),
    AdminRoute::export::<RepoExport>(),
    AdminRoute::import::<RepoImport>(),
    AdminRoute::operation::<RepoVerify>(),
    AdminRoute::export::<SuccessorExport>(),
    AdminRoute::import::<SuccessorImport>(),
];
