//! A whole hold in this process, configured as an operator does it, with accounts whose keys the test has.
//!
//! `Hold::start(toml)` begins on a fresh state and port; `stop` and `restart` go on with the same ones. Accounts are
//! in the fields of [`Hold`]: the captain and one of each kind of crew, declared in the configuration, and some that
//! are no crew. Calls go over real sockets: see [`Call`].

mod accounts;
mod uploads;

use std::path::PathBuf;

use atcr_hold::app::{self, StartError};
use atcr_hold::config::Config;
use atcr_hold::objects::{self, Objects};
use atproto::syntax::Digest;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use server::daemon::{Listener, listeners};
use server::settings::{Environment, Sources};
use server::sqlite::OpenError;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::did_server::DidServer;
use crate::objects::{Bucket, Remote, remotes_here};

pub(crate) use super::http::{Answer, Call, raw, raw_unix};
pub(crate) use accounts::Account;
pub(crate) use uploads::digest_of;

/// The configuration of a hold that anyone may read.
pub(crate) const PUBLIC: &str = "public = true\n";
/// What a caller is told who must say who it is.
pub(crate) const NO_TOKEN: &str =
    "a token is required: Authorization: Bearer <service token>, or DPoP <access token> and a DPoP header";
/// The configuration of a hold that only crew may read.
pub(crate) const PRIVATE: &str = "public = false\n";

pub(crate) struct Hold {
    pub(crate) port: u16,
    /// Serves the accounts' DID documents: PLC directory and did:web host at once.
    pub(crate) network: DidServer,
    pub(crate) captain: Account,
    /// Has crew:admin.
    pub(crate) admin: Account,
    /// Has blob:write.
    pub(crate) writer: Account,
    /// Has blob:write too; a did:web, while the others are did:plc.
    pub(crate) other_writer: Account,
    /// Has blob:read.
    pub(crate) reader: Account,
    /// Is no crew.
    pub(crate) stranger: Account,
    /// Where its blobs are, for messages.
    pub(crate) store: String,
    directory: TempDir,
    /// The bucket, its driver and its options; without one the blobs are in the directory.
    bucket: Option<(objects::Bucket, &'static str, String)>,
    /// Stays open while the hold is stopped, so that nobody takes the port; connections wait, as with a socket unit.
    socket: std::net::TcpListener,
    running: Option<Running>,
}

struct Running {
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), StartError>>,
}

impl Hold {
    /// A fresh hold with these options (TOML, tables last). Addresses, paths, owner and crew are added to them.
    pub(crate) async fn start(toml: &str) -> Self {
        Self::start_on("directory".into(), None, toml).await
    }

    /// Fresh holds with these options: one with its blobs in a directory, and one in the bucket of each real server here
    /// that takes parts of any size, where all bytes go through the hold.
    pub(crate) async fn everywhere(toml: &str) -> Vec<Self> {
        let mut holds = vec![Self::start(toml).await];
        for remote in remotes_here().into_iter().filter(Remote::takes_small_parts) {
            let bucket = (remote.open(), remote.driver, remote.options);
            holds.push(Self::start_on(remote.name, Some(bucket), toml).await);
        }
        holds
    }

    /// A fresh hold with these options on a bucket that has `more` options.
    pub(crate) async fn start_in(bucket: &Bucket, more: &str, toml: &str) -> Self {
        let options = format!("[storage.s3]\n{more}{}", bucket.options());
        Self::start_on(bucket.name.clone(), Some((bucket.open(), "s3", options)), toml).await
    }

    async fn start_on(store: String, bucket: Option<(objects::Bucket, &'static str, String)>, toml: &str) -> Self {
        let network = DidServer::start().await;
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("blobs")).unwrap();
        let mut hold = Self {
            port: socket.local_addr().unwrap().port(),
            captain: Account::plc(1, &network),
            admin: Account::plc(2, &network),
            writer: Account::plc(3, &network),
            other_writer: Account::web(4, &network),
            reader: Account::plc(5, &network),
            stranger: Account::plc(6, &network),
            network,
            store,
            directory,
            bucket,
            socket,
            running: None,
        };
        hold.run(toml).await;
        hold
    }

    /// Ends the hold as SIGTERM does. Its state, port and accounts stay.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().expect("a hold that runs");
        running.shutdown.cancel();
        running.ended.await.unwrap().unwrap();
    }

    /// Stops and starts again on the same state with these options.
    pub(crate) async fn restart(&mut self, toml: &str) {
        self.stop().await;
        self.run(toml).await;
    }

    /// Starts a stopped hold with these options, and waits until it answers.
    pub(crate) async fn run(&mut self, toml: &str) {
        loop {
            let shutdown = CancellationToken::new();
            let tcp = Listener::Tcp(self.socket.try_clone().unwrap());
            let unix = listeners::bind(self.socket_file().to_str().unwrap()).unwrap();
            let mut ended = tokio::spawn(app::run(self.config(toml), vec![tcp, unix], shutdown.clone()));
            tokio::select! {
                outcome = &mut ended => match outcome.unwrap() {
                    // The database thread of the hold before is still ending.
                    Err(StartError::Database(OpenError::InUse { .. })) => continue,
                    outcome => panic!("the hold ended: {outcome:?}"),
                },
                health = self.get("/xrpc/_health").send() => assert_eq!(health.status, 200),
            }
            self.running = Some(Running { shutdown, ended });
            return;
        }
    }

    fn config(&self, toml: &str) -> Config {
        let root = self.directory.path();
        let member = |account: &Account, permission: &str| {
            format!("[crew.\"{}\"]\nrole = \"mate\"\npermissions = [\"{permission}\"]\n", account.did)
        };
        let crew = [
            member(&self.admin, "crew:admin"),
            member(&self.writer, "blob:write"),
            member(&self.other_writer, "blob:write"),
            member(&self.reader, "blob:read"),
        ];
        let file = root.join("hold.toml");
        std::fs::write(
            &file,
            format!("{toml}\n{}\n{}", crew.concat(), self.bucket.as_ref().map_or("", |(_, _, options)| options)),
        )
        .unwrap();
        let environment = Environment::from([
            ("HOLD_PUBLIC_URL", self.url().as_str()),
            ("HOLD_OWNER", self.captain.did.as_str()),
            ("HOLD_PLC_DIRECTORY_URL", &format!("http://localhost:{}", self.network.port)),
            ("HOLD_DATABASE_PATH", root.join("hold.db").to_str().unwrap()),
            ("STORAGE_DRIVER", self.bucket.as_ref().map_or("filesystem", |(_, driver, _)| driver)),
            ("STORAGE_ROOT_DIR", root.join("blobs").to_str().unwrap()),
            ("TEST_MODE", "true"),
        ]);
        Config::load(&Sources { file: Some(file), ..Sources::of_environment(environment) }).unwrap()
    }

    /// Where everything that the hold keeps is.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// What is staged of uploads, by name.
    pub(crate) async fn staged(&self) -> Vec<String> {
        let Some((bucket, _, _)) = &self.bucket else {
            let entries = std::fs::read_dir(self.root().join("blobs/uploads")).unwrap();
            return entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        };
        let open = bucket.list_multiparts("uploads").map_ok(|open| open.key).try_collect::<Vec<_>>().await.unwrap();
        let objects = Objects::in_bucket(bucket.clone()).list("uploads");
        let objects = objects.map_ok(|object| object.key).try_collect::<Vec<_>>().await.unwrap();
        [open, objects].concat()
    }

    /// Where the hold listens too, as for a reverse proxy of this machine.
    pub(crate) fn socket_file(&self) -> PathBuf {
        self.root().join("hold.sock")
    }

    /// Where the file of a blob is.
    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root().join(format!("blobs/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn did(&self) -> String {
        format!("did:web:localhost%3A{}", self.port)
    }

    /// The DID as a query parameter.
    pub(crate) fn did_in_query(&self) -> String {
        self.did().replace('%', "%25")
    }

    /// What a token of `account` says when the registry asked its PDS for it just now.
    pub(crate) fn claims(&self, account: &Account) -> Value {
        let now_s = now_s();
        json!({
            "iss": account.did, "aud": self.did(), "lxm": "com.atproto.repo.getRecord",
            "iat": now_s, "exp": now_s + 60, "jti": "a1b2",
        })
    }

    /// A token of `account` that is good for every call.
    pub(crate) fn token(&self, account: &Account) -> String {
        account.sign(&self.claims(account))
    }

    /// A call of any method on `target`: a path with its query, or a URL of this hold.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.port, method, target.strip_prefix(&self.url()).unwrap_or(target))
    }

    pub(crate) fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    /// Calls an XRPC procedure with JSON as `account`.
    pub(crate) async fn post(&self, account: &Account, nsid: &str, input: &Value) -> Answer {
        self.call("POST", &format!("/xrpc/{nsid}")).bearer(&self.token(account)).json(input).send().await
    }

    /// Removes a member by the captain's hand.
    pub(crate) async fn remove_from_crew(&self, account: &Account) {
        let rkey = atcr_hold::crew::member_key(&account.did);
        let input = json!({ "repo": self.did(), "collection": "io.atcr.hold.crew", "rkey": rkey });
        let answer = self.post(&self.captain, "com.atproto.repo.deleteRecord", &input).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Unix seconds.
pub(crate) fn now_s() -> i64 {
    chrono::Utc::now().timestamp()
}
