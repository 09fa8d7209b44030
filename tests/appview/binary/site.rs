//! A registry's state on disk, its configuration, and the network of its one account: PLC directory, PDS and hold at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use atproto::syntax::Did;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::did_server::{DidServer, Reply, document, plc};
use crate::support::http::blocking::Client;
use crate::support::process::Daemon;

/// What a run came to.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A directory with everything a registry keeps, and its variables.
pub(super) struct Site {
    directory: TempDir,
    pub(super) alice: Did,
    /// What answers every call that leaves the registry.
    pub(super) network: DidServer,
    variables: BTreeMap<&'static str, OsString>,
    /// A command, with arguments, that starts the program.
    wrapper: Vec<OsString>,
    arguments: Vec<OsString>,
    _runtime: Runtime,
}

impl Site {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (network, alice) = (runtime.block_on(DidServer::start()), plc(1));
        let here = format!("http://localhost:{}", network.port);
        let mut published = document(&alice, 1);
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": here }]);
        network.publish(&alice, &published);
        let claims = BASE64URL_NOPAD.encode(br#"{"scope":"com.atproto.appPass"}"#);
        let session = json!({ "did": alice, "accessJwt": format!("e30.{claims}.s"), "refreshJwt": "r" });
        network.set("/xrpc/com.atproto.server.createSession", Reply::Body(session.to_string()));
        let directory = TempDir::new().unwrap();
        let variables = BTreeMap::from([
            ("ATCR_BASE_URL", "http://localhost:5000".into()),
            ("ATCR_HTTP_ADDR", "127.0.0.1:0".into()),
            ("ATCR_DATABASE_PATH", directory.path().join("appview.db").into()),
            ("ATCR_PLC_DIRECTORY_URL", here.into()),
            ("ATCR_DEFAULT_HOLD_DID", format!("did:web:localhost%3A{}", network.port).into()),
            ("TEST_MODE", "true".into()),
        ]);
        let (wrapper, arguments) = (vec![], vec![]);
        Self { directory, alice, network, variables, wrapper, arguments, _runtime: runtime }
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

    /// Gives the program a TOML file.
    pub(super) fn configure(&mut self, toml: &str) {
        let path = self.path("appview.toml");
        std::fs::write(&path, toml).unwrap();
        self.arguments = vec!["--config".into(), path.into()];
    }

    /// Lets another command start the program: it gets the program and its arguments after its own.
    pub(super) fn wrap(&mut self, command: &[&str]) {
        self.wrapper = command.iter().map(Into::into).collect();
    }

    /// The command that starts the program, with nothing of this process's environment but the search path and the certificates.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().cloned().chain([env!("CARGO_BIN_EXE_atcr-appview").into()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(&self.arguments).args(arguments);
        // In Nix's sandbox, where the system has no certificates, the second names those that a daemon starts with.
        let kept = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "SSL_CERT_FILE");
        command.env_clear().envs(kept).envs(&self.variables).current_dir(self.directory.path());
        command.stdin(Stdio::null());
        command
    }

    pub(super) fn start(&self) -> Daemon {
        Daemon::start(self.command(&[]))
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Alice, signed in, with a token to pull and push in her repository `app`.
    pub(super) fn signed_in(&self, daemon: &Daemon) -> Client {
        let owner = self.alice.as_str().replace(':', "-");
        let credentials = BASE64.encode(format!("{owner}:app-password").as_bytes());
        let target = format!("/auth/token?service=localhost:5000&scope=repository:{owner}/app:pull,push");
        let header = format!("Authorization: Basic {credentials}\r\n");
        let answer = daemon.anonymous().try_send("GET", &target, &header, &[]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Client { token: Some(answer.field("token")), ..daemon.anonymous() }
    }

    /// The path of alice's repository `app`.
    pub(super) fn repository(&self) -> String {
        format!("/v2/{}/app", self.alice.as_str().replace(':', "-"))
    }

    /// From now on alice's hold begins uploads, and gives them up.
    pub(super) fn hold_takes_uploads(&self) {
        // The PDS has no profile of alice, and speaks for her to the hold.
        let alice = self.alice.as_str().replace(':', "%3A");
        let profile =
            format!("/xrpc/com.atproto.repo.getRecord?repo={alice}&collection=io.atcr.sailor.profile&rkey=self");
        let body = r#"{"error":"RecordNotFound","message":"no"}"#;
        let none = format!("HTTP/1.1 400 No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        self.network.set(&profile, Reply::Raw(none));
        let spoken_for = format!(
            "/xrpc/com.atproto.server.getServiceAuth?aud=did%3Aweb%3Alocalhost%253A{}&lxm=com.atproto.repo.getRecord",
            self.network.port
        );
        self.network.set(&spoken_for, Reply::Body(json!({ "token": "t" }).to_string()));
        // Asked to take her into its crew it answers 404: she may be crew by another way.
        for (method, answer) in [
            ("initiateUpload", json!({ "uploadId": "u1" })),
            ("abortUpload", json!({ "status": "aborted", "digest": null })),
        ] {
            self.network.set(&format!("/xrpc/io.atcr.hold.{method}"), Reply::Body(answer.to_string()));
        }
    }
}
