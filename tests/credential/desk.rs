//! A person's desk: a home of its own, and the program run in it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_docker-credential-atcr");
/// Of a test; it must never be shown.
pub(crate) const SECRET: &str = "atcr_device_not-to-be-seen";

pub(crate) struct Desk {
    pub(crate) home: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What it printed, if it was done without a word of warning.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// What it said where docker reads it.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(1), ""));
        assert!(!self.stdout.contains("not-to-be-seen"), "{}", self.stdout);
        self.stdout.trim_end().to_owned()
    }

    /// What it said to people.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!format!("{self:?}").contains("not-to-be-seen"), "{self:?}");
        self.stderr
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.path(".config/atcr")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("credentials.json")
    }

    pub(crate) fn read(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// Writes the file of accounts as another program might.
    pub(crate) fn write(&self, text: &str, mode: u32) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::set_permissions(self.folder(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(self.file(), text).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn link(&self, target: &Path, name: &Path) {
        symlink(target, name).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        // Where a sandbox has the root certificates.
        let kept = std::env::vars_os().filter(|(name, _)| name == "SSL_CERT_FILE");
        command.args(arguments).env_clear().envs(kept).env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str], input: &[u8]) -> Child {
        let mut child = self.command(arguments).spawn().unwrap();
        // Whoever reads no further closes it.
        let _ = child.stdin.take().unwrap().write_all(input);
        child
    }

    pub(crate) fn run(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Ended {
        Ended::of(self.start(arguments, input.as_ref()))
    }

    pub(crate) fn store(&self, registry: &str, user: &str, secret: &str) -> Ended {
        self.run(&["store"], json!({ "ServerURL": registry, "Username": user, "Secret": secret }).to_string())
    }

    /// User and secret that docker is told.
    #[track_caller]
    pub(crate) fn get(&self, registry: &str) -> (String, String) {
        let told: Value = serde_json::from_str(&self.run(&["get"], registry).done()).unwrap();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        (text("Username"), text("Secret"))
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
