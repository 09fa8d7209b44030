//! The permissions of a crew member.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One permission of a crew record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// Read blobs of a private hold.
    #[serde(rename = "blob:read")]
    BlobRead,
    /// Upload blobs; implies reading.
    #[serde(rename = "blob:write")]
    BlobWrite,
    /// Manage crew; implies everything else.
    #[serde(rename = "crew:admin")]
    CrewAdmin,
}

impl Permission {
    /// All permissions.
    pub const ALL: [Self; 3] = [Self::BlobRead, Self::BlobWrite, Self::CrewAdmin];

    /// Returns the spelling in a crew record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobRead => "blob:read",
            Self::BlobWrite => "blob:write",
            Self::CrewAdmin => "crew:admin",
        }
    }

    /// Returns the permission with this spelling; `None` for an unknown one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == text)
    }
}

/// The permissions of one member, with what they imply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(BTreeSet<Permission>);

impl PermissionSet {
    /// Reads the strings of a crew record; unknown ones grant nothing.
    pub fn from_record<'a>(permissions: impl IntoIterator<Item = &'a str>) -> Self {
        Self(permissions.into_iter().filter_map(Permission::parse).collect())
    }

    /// Whether the member has `wanted`, directly or by implication.
    #[must_use]
    pub fn allows(&self, wanted: Permission) -> bool {
        let implied_by: &[Permission] = match wanted {
            Permission::BlobRead => &[Permission::BlobRead, Permission::BlobWrite, Permission::CrewAdmin],
            Permission::BlobWrite => &[Permission::BlobWrite, Permission::CrewAdmin],
            Permission::CrewAdmin => &[Permission::CrewAdmin],
        };
        implied_by.iter().any(|permission| self.0.contains(permission))
    }
}
