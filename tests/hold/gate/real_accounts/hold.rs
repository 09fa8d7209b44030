//! A hold in this process that has the stack for its network.

use atcr_hold::app::{self, StartError};
use atcr_hold::config::Config;
use serde_json::{Value, json};
use server::daemon::Listener;
use server::settings::{Environment, Sources};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::INITIATE;
use super::stack::{Person, Stack};
use crate::support::hold::{Answer, Call};

/// A hold of `captain` that looks accounts up in the stack's directory. It ends with the test's runtime.
pub(super) struct RealHold {
    pub(super) port: u16,
    pub(super) state: TempDir,
    captain: String,
    directory: String,
    /// Stays open while the hold is stopped, so that nobody takes the port.
    socket: std::net::TcpListener,
    running: Option<(CancellationToken, JoinHandle<Result<(), StartError>>)>,
}

impl RealHold {
    pub(super) async fn start(stack: &Stack, captain: &Person) -> Self {
        let state = TempDir::new().unwrap();
        std::fs::create_dir(state.path().join("blobs")).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (captain, directory) = (captain.did.to_string(), stack.plc.clone());
        let mut hold = Self { port, state, captain, directory, socket, running: None };
        hold.run().await;
        hold
    }

    /// Starts a hold that was stopped, and waits until it answers.
    pub(super) async fn run(&mut self) {
        let path = |name: &str| self.state.path().join(name).to_str().unwrap().to_owned();
        // No collection waits for a day here.
        std::fs::write(path("hold.toml"), "[gc]\ngrace_s = 0\n").unwrap();
        let environment = Environment::from([
            ("HOLD_PUBLIC_URL", format!("http://localhost:{}", self.port).as_str()),
            ("HOLD_OWNER", &self.captain),
            ("HOLD_ALLOW_ALL_CREW", "true"),
            ("HOLD_PLC_DIRECTORY_URL", &self.directory),
            ("HOLD_DATABASE_PATH", &path("hold.db")),
            ("STORAGE_ROOT_DIR", &path("blobs")),
            ("TEST_MODE", "true"),
        ]);
        let sources = Sources { file: Some(path("hold.toml").into()), ..Sources::of_environment(environment) };
        let config = Config::load(&sources).unwrap();
        let (shutdown, listener) = (CancellationToken::new(), Listener::Tcp(self.socket.try_clone().unwrap()));
        let ended = tokio::spawn(app::run(config, vec![listener], shutdown.clone()));
        Call::new(self.port, "GET", "/xrpc/_health").send().await.ok();
        self.running = Some((shutdown, ended));
    }

    /// Ends the hold as SIGTERM does. Its state and port stay.
    pub(super) async fn stop(&mut self) {
        let (shutdown, ended) = self.running.take().expect("a hold that runs");
        shutdown.cancel();
        ended.await.unwrap().unwrap();
    }

    pub(super) fn did(&self) -> String {
        format!("did:web:localhost%3A{}", self.port)
    }

    pub(super) async fn post(&self, token: &str, nsid: &str, input: &Value) -> Answer {
        Call::new(self.port, "POST", &format!("/xrpc/{nsid}")).bearer(token).json(input).send().await
    }

    /// A call that only a good token and blob:write make succeed.
    pub(super) async fn initiate(&self, token: &str) -> Answer {
        self.post(token, INITIATE, &json!({ "digest": "uploads/temp-1" })).await
    }
}
