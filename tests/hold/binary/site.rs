//! A hold's state on disk, its configuration, and the accounts that know it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::process::{Daemon, PATIENCE};
use crate::support::did_server::DidServer;
use crate::support::hold::{Account, now_s};

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_atcr-hold");
/// What a run came to. The code of one that hung is `None`.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// Runs a command that is to end by itself.
    pub(super) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Read meanwhile: a pipe holds less than some commands print.
        let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = child.wait().unwrap();
        Self { code: status.code(), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

/// A directory with everything a hold keeps, and its variables.
pub(super) struct Site {
    pub(super) directory: TempDir,
    /// The owner.
    pub(super) alice: Account,
    /// Somebody else.
    pub(super) bob: Account,
    variables: BTreeMap<&'static str, OsString>,
    /// Commands, with arguments, that start the binary in turn.
    wrapper: Vec<OsString>,
    arguments: Vec<OsString>,
    program: PathBuf,
    // The directory of accounts lives as long as its runtime.
    accounts: DidServer,
    _runtime: Runtime,
}

impl Site {
    /// The five variables that a hold needs, and those that keep the test on this machine.
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let accounts = runtime.block_on(DidServer::start());
        let (alice, bob) = (Account::plc(1, &accounts), Account::plc(2, &accounts));
        // They have a PDS, without records: garbage collection asks there.
        let pds = format!("http://localhost:{}", accounts.port);
        [&alice, &bob].into_iter().for_each(|account| account.publish_with_pds(&accounts, &pds));
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("blobs")).unwrap();
        let variables = BTreeMap::from([
            ("HOLD_PUBLIC_URL", "http://localhost:8080".into()),
            ("HOLD_OWNER", alice.did.as_str().into()),
            ("STORAGE_DRIVER", "filesystem".into()),
            ("STORAGE_ROOT_DIR", directory.path().join("blobs").into()),
            ("HOLD_DATABASE_PATH", directory.path().join("hold.db").into()),
            ("HOLD_SERVER_ADDR", "127.0.0.1:0".into()),
            ("HOLD_PLC_DIRECTORY_URL", format!("http://localhost:{}", accounts.port).into()),
            ("TEST_MODE", "true".into()),
        ]);
        let (wrapper, arguments, program) = (vec![], vec![], BINARY.into());
        Self { directory, alice, bob, variables, wrapper, arguments, program, accounts, _runtime: runtime }
    }

    /// One more account; 1 and 2 are taken.
    pub(super) fn account(&self, number: u8) -> Account {
        let account = Account::plc(number, &self.accounts);
        account.publish_with_pds(&self.accounts, &format!("http://localhost:{}", self.accounts.port));
        account
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.insert(variable, value.into());
    }

    pub(super) fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    /// Gives the binary a TOML file.
    pub(super) fn configure(&mut self, toml: &str) {
        let path = self.path("hold.toml");
        std::fs::write(&path, toml).unwrap();
        self.arguments = vec!["--config".into(), path.into()];
    }

    /// From now on this program is run instead of the binary.
    pub(super) fn run_program(&mut self, program: impl Into<PathBuf>) {
        self.program = program.into();
    }

    /// Lets another command start the binary: it gets the binary and its arguments after its own.
    pub(super) fn wrap(&mut self, command: &[&str]) {
        self.wrapper = command.iter().map(Into::into).collect();
    }

    /// The command that starts the hold, with nothing of this process's environment but the search path and the certificates.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().cloned().chain([self.program.clone().into()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(&self.arguments).args(arguments);
        // In Nix's sandbox, where the system has no certificates, the second names those that a daemon starts with.
        let kept = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "SSL_CERT_FILE");
        command.env_clear().envs(kept).envs(&self.variables).current_dir(self.directory.path());
        command
    }

    pub(super) fn start(&self) -> Daemon {
        Daemon::start(self.command(&[]))
    }

    /// Runs the binary, which is to end by itself.
    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments))
    }

    /// Everything below the directory: mode and content, but not the lock's own file, which means nothing.
    pub(super) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        collect(self.directory.path(), &mut found);
        found.remove(&self.path("hold.db.lock"));
        found
    }
}

/// All text of a pipe, once it ends.
fn read(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

fn collect(path: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    if metadata.is_dir() {
        found.insert(path.to_owned(), (metadata.mode(), vec![]));
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
    } else {
        found.insert(path.to_owned(), (metadata.mode(), std::fs::read(path).unwrap()));
    }
}

/// A service token of the account for this hold, good for an hour: longer than any test takes on a busy machine.
pub(super) fn token(account: &Account) -> String {
    let exp = now_s() + 3600;
    account.sign(&json!({ "iss": account.did, "aud": "did:web:localhost%3A8080", "exp": exp }))
}
