//! A program as an operator has it: a directory with all that it keeps, its variables and file, and its commands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Daemon, PATIENCE};

/// A program, its directory and its configuration.
pub(crate) struct Program {
    pub(crate) directory: TempDir,
    binary: PathBuf,
    variables: BTreeMap<&'static str, OsString>,
    /// Commands, with arguments, that start the binary in turn.
    wrapper: Vec<OsString>,
    arguments: Vec<OsString>,
}

impl Program {
    /// A program with an empty directory and no configuration.
    pub(crate) fn new(binary: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let (variables, wrapper, arguments) = (BTreeMap::new(), vec![], vec![]);
        Self { directory, binary: binary.into(), variables, wrapper, arguments }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.insert(variable, value.into());
    }

    pub(crate) fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    /// Gives the program a TOML file.
    pub(crate) fn configure(&mut self, toml: &str) {
        let path = self.path("config.toml");
        std::fs::write(&path, toml).unwrap();
        self.arguments = vec!["--config".into(), path.into()];
    }

    /// From now on this binary is run.
    pub(crate) fn run_binary(&mut self, binary: impl Into<PathBuf>) {
        self.binary = binary.into();
    }

    /// Lets another command start the binary: it gets the binary and its arguments after its own.
    pub(crate) fn wrap(&mut self, command: &[&str]) {
        self.wrapper = command.iter().map(Into::into).collect();
    }

    /// The command with these arguments, with nothing of this process's environment but the search path and the
    /// certificates.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().cloned().chain([self.binary.clone().into()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(&self.arguments).args(arguments);
        // In Nix's sandbox, where the system has no certificates, the second names those that a daemon starts with.
        let kept = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "SSL_CERT_FILE");
        command.env_clear().envs(kept).envs(&self.variables).current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start(self.command(&[]))
    }

    /// Runs a command that is to end by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments))
    }

    /// Runs a command that is to be done; answers what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let Ended { code, stdout, stderr } = self.run(arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        stdout
    }

    /// The same with `--json`.
    #[track_caller]
    pub(crate) fn json_of(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs a command that is to end with this code, saying so in one line with these words, and nothing else.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let ended = self.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments:?}: {}", ended.stderr);
        for word in words {
            assert!(ended.stderr.contains(word), "{arguments:?}: no {word:?} in {}", ended.stderr);
        }
    }
}

/// What a run came to. The code of one that hung is `None`.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs a command that is to end by itself.
    pub(crate) fn of(mut command: Command) -> Self {
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

/// All text of a pipe, once it ends.
fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}
