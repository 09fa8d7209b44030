//! Environment variables: paths of the user's files, and whether there is a keyring.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::docker::{ConfigError, DockerConfig};
use crate::store::{Keyring, Store, StoreError, has_session_bus};

/// File with this machine's host name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The environment variables that this program reads.
pub(super) struct Places {
    config_home: Option<OsString>,
    home: Option<OsString>,
    docker: Option<OsString>,
    search_path: OsString,
    bus: Option<OsString>,
    runtime: Option<PathBuf>,
    keyring: Option<OsString>,
    browser: Option<OsString>,
}

impl Places {
    #[expect(clippy::disallowed_methods, reason = "here the environment is read, once")]
    pub(super) fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        Self {
            config_home: variable("XDG_CONFIG_HOME"),
            home: variable("HOME"),
            docker: variable("DOCKER_CONFIG"),
            search_path: variable("PATH").unwrap_or_default(),
            bus: variable("DBUS_SESSION_BUS_ADDRESS"),
            runtime: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            keyring: variable("ATCR_KEYRING"),
            browser: variable("BROWSER"),
        }
    }

    /// Returns the store of accounts.
    pub(super) fn store(&self) -> Result<Store, StoreError> {
        let is_off = self.keyring.as_ref().is_some_and(|said| said == "off");
        let has_bus = !is_off && has_session_bus(self.bus.as_deref(), self.runtime.as_deref());
        let keyring = Keyring::find(&self.search_path, has_bus);
        Store::new(self.config_home.clone(), self.home.clone(), keyring)
    }

    /// Reads docker's configuration.
    pub(super) fn docker(&self) -> Result<DockerConfig, ConfigError> {
        DockerConfig::read(self.docker.clone(), self.home.clone())
    }

    /// Reads docker's configuration, to change it.
    pub(super) fn docker_to_change(&self) -> Result<DockerConfig, ConfigError> {
        DockerConfig::read_to_change(self.docker.clone(), self.home.clone())
    }

    /// Whether this program is in a folder of `PATH`, where docker looks for it.
    pub(super) fn finds_us(&self) -> bool {
        std::env::split_paths(&self.search_path).any(|folder| folder.join(super::PROGRAM).is_file())
    }

    /// Returns the command that opens pages: `$BROWSER`, else `xdg-open`.
    pub(super) fn browser(&self) -> OsString {
        self.browser.clone().filter(|browser| !browser.is_empty()).unwrap_or_else(|| "xdg-open".into())
    }
}

/// Returns this machine's host name.
pub(super) fn machine_name() -> String {
    let name = std::fs::read_to_string(Path::new(HOST_NAME)).unwrap_or_default();
    match name.trim() {
        "" => "a machine".into(),
        name => name.to_owned(),
    }
}
