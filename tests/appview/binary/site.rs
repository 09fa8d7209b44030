//! A registry's state on disk, its configuration, and the network of its one account: PLC directory, PDS and hold at once.

use std::ffi::OsString;
use std::ops::{Deref, DerefMut};

use atproto::syntax::Did;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::did_server::{DidServer, Reply, document, plc};
use crate::support::http::blocking::Client;
use crate::support::process::Daemon;
use crate::support::program::Program;

/// A directory with everything a registry keeps, and its variables.
pub(super) struct Site {
    program: Program,
    pub(super) alice: Did,
    /// What answers every call that leaves the registry.
    pub(super) network: DidServer,
    _runtime: Runtime,
}

impl Deref for Site {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
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
        let mut program = Program::new(env!("CARGO_BIN_EXE_atcr-appview"));
        program.set("ATCR_BASE_URL", "http://localhost:5000");
        program.set("ATCR_HTTP_ADDR", "127.0.0.1:0");
        program.set("ATCR_DATABASE_PATH", program.path("appview.db"));
        program.set("ATCR_PLC_DIRECTORY_URL", here);
        program.set("ATCR_DEFAULT_HOLD_DID", format!("did:web:localhost%3A{}", network.port));
        program.set("TEST_MODE", "true");
        Self { program, alice, network, _runtime: runtime }
    }

    /// As [`Program::set`], with a value that may be made of the site.
    pub(super) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.program.set(variable, value);
    }

    /// As [`Program::configure`], with a value that may be made of the site.
    pub(super) fn configure(&mut self, toml: &str) {
        self.program.configure(toml);
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
