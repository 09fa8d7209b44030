//! The system's keyring (GNOME Keyring, KWallet, `KeePassXC`), by the command `secret-tool` of libsecret.
//!
//! Why no crate: `keyring` with its pure-Rust backend brings zbus and a second runtime, some sixty crates in every
//! build of the workspace, for five calls on desktops; the kernel's keys (keyutils) are lost at a restart of the
//! machine. A server without a desktop has no `secret-tool`, and keeps secrets in the file.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::error::KeyringError;
use super::secret::{MAX_SECRET_BYTES, Secret};

const PROGRAM: &str = "secret-tool";
const SERVICE: &str = "docker-credential-atcr";
const INTERVAL: Duration = Duration::from_millis(5);
const MAX_WORDS: usize = 200;
/// Limit of `secret-tool`: of a longer secret it stores the beginning, and succeeds.
/// <https://gitlab.gnome.org/GNOME/libsecret/-/blob/0.20.5/tool/secret-tool.c>
const MAX_STORED_BYTES: usize = 8191;

/// The keyring, by the path of `secret-tool`.
#[derive(Clone, Debug)]
pub struct Keyring(PathBuf);

impl Keyring {
    /// Finds the keyring of this session: `secret-tool` in the search path, and a session bus.
    #[must_use]
    pub fn find(search_path: &std::ffi::OsStr, has_bus: bool) -> Option<Self> {
        let mut places = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
        places.find_map(|folder| Some(folder.join(PROGRAM)).filter(|path| path.is_file())).filter(|_| has_bus).map(Self)
    }

    /// Returns the secret of an account.
    pub(super) fn look_up(&self, of: (&str, &str), patience: Duration) -> Result<Secret, KeyringError> {
        let Ended { status, stdout, stderr } = self.run(&["lookup"], of, None, patience)?;
        match status.success() {
            true if !stdout.reveal().is_empty() => Ok(stdout),
            _ if stderr.is_empty() => Err(KeyringError::Empty),
            _ => Err(KeyringError::Refused(stderr)),
        }
    }

    /// Stores a secret, in place of the account's last one.
    pub(super) fn store(&self, of: (&str, &str), secret: &Secret, patience: Duration) -> Result<(), KeyringError> {
        if secret.reveal().len() > MAX_STORED_BYTES {
            return Err(KeyringError::TooLong);
        }
        let label = format!("--label={} at {}", of.1, of.0);
        self.run(&["store", &label], of, Some(secret), patience)?.done()
    }

    /// Deletes the secret of an account. None is no error.
    pub(super) fn clear(&self, of: (&str, &str), patience: Duration) -> Result<(), KeyringError> {
        let ended = self.run(&["clear"], of, None, patience)?;
        // Where there is none it fails without a word.
        if ended.status.code() == Some(1) && ended.stderr.is_empty() { Ok(()) } else { ended.done() }
    }

    fn run(
        &self,
        command: &[&str],
        (registry, user): (&str, &str),
        input: Option<&Secret>,
        patience: Duration,
    ) -> Result<Ended, KeyringError> {
        let deadline = Instant::now() + patience;
        let mut child = Command::new(&self.0)
            .args(command)
            .args(["service", SERVICE, "registry", registry, "account", user])
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| KeyringError::Refused(error.to_string()))?;
        // A pipe takes a whole secret at once, even before the command reads it.
        if let (Some(secret), Some(mut pipe)) = (input, child.stdin.take()) {
            let _ = pipe.write_all(secret.reveal().as_bytes());
        }
        match wait(&mut child, deadline) {
            Some(status) => Ok(Ended { status, ..Ended::read(&mut child, status) }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(KeyringError::Silent)
            }
        }
    }
}

/// Exit status and output of a command.
struct Ended {
    status: ExitStatus,
    stdout: Secret,
    stderr: String,
}

impl Ended {
    fn read(child: &mut Child, status: ExitStatus) -> Self {
        let mut stdout = String::new();
        let mut stderr = Vec::new();
        let most = MAX_SECRET_BYTES as u64;
        // The command has ended: the pipes hold all of its output.
        let is_text = child.stdout.take().is_some_and(|pipe| pipe.take(most).read_to_string(&mut stdout).is_ok());
        if let Some(pipe) = child.stderr.take() {
            let _ = pipe.take(most).read_to_end(&mut stderr);
        }
        let stdout = Secret::new(if is_text { stdout } else { String::new() });
        let stderr = server::text::line(&String::from_utf8_lossy(&stderr), MAX_WORDS).unwrap_or_default();
        Self { status, stdout, stderr }
    }

    fn done(self) -> Result<(), KeyringError> {
        if self.status.success() {
            return Ok(());
        }
        Err(KeyringError::Refused(if self.stderr.is_empty() {
            format!("secret-tool: {}", self.status)
        } else {
            self.stderr
        }))
    }
}

/// Waits for the end of a command until `deadline`; `None` if it has not ended by then.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(INTERVAL),
            _ => return None,
        }
    }
}

/// Whether the session has a bus. <https://dbus.freedesktop.org/doc/dbus-specification.html#message-bus-types-login>
#[must_use]
pub fn has_session_bus(address: Option<&std::ffi::OsStr>, runtime_folder: Option<&Path>) -> bool {
    address.is_some_and(|address| !address.is_empty())
        || runtime_folder.is_some_and(|folder| folder.join("bus").exists())
}
