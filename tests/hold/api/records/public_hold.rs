//! A hold of a public host in this process, without accounts: it has a handle, which one at localhost has not.

use atcr_hold::app::{self, StartError};
use atcr_hold::config::Config;
use server::daemon::listeners;
use server::settings::{Environment, Sources};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::hold::{Answer, Call};

pub(super) struct PublicHold {
    port: u16,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), StartError>>,
    _state: TempDir,
}

impl PublicHold {
    /// A fresh hold at `https://hold.example.org`.
    pub(super) async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let path = |name: &str| state.path().join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(path("blobs")).unwrap();
        let environment = Environment::from([
            ("HOLD_PUBLIC_URL", "https://hold.example.org"),
            ("HOLD_OWNER", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
            ("HOLD_DATABASE_PATH", &path("hold.db")),
            ("STORAGE_ROOT_DIR", &path("blobs")),
        ]);
        let config = Config::load(&Sources::of_environment(environment)).unwrap();
        let listener = listeners::bind("127.0.0.1:0").unwrap();
        let port = listener.describe().rsplit(':').next().unwrap().parse().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(app::run(config, vec![listener], shutdown.clone()));
        Self { port, shutdown, ended, _state: state }
    }

    /// As its reverse proxy calls it.
    pub(super) async fn get(&self, target: &str) -> Answer {
        Call::new(self.port, "GET", target).header("host", "hold.example.org").send().await
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.unwrap().unwrap();
    }
}
