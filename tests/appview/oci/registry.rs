//! A whole front end in this process, and a network of accounts whose PDS the test plays.

use std::path::PathBuf;

use atcr_appview::app::{self, StartError};
use atcr_appview::config::Config;
use atcr_appview::index::{Change, Index, IndexLimits};
use atcr_appview::schema;
use atproto::syntax::Did;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rusqlite::Connection;
use serde_json::json;
use server::daemon::listeners;
use server::settings::{Environment, Sources};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::did_server::{DidServer, Reply, document, plc};
use crate::support::http::{Answer, Call};

/// A front end with one account, alice.test. It ends with the test's runtime.
pub(crate) struct Registry {
    pub(crate) port: u16,
    /// PLC directory, handle resolver and PDS at once.
    pub(crate) network: DidServer,
    pub(crate) alice: Did,
    state: TempDir,
    config: Config,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), StartError>>,
}

impl Registry {
    pub(crate) async fn start(variables: [(&str, &str); 1]) -> Self {
        Self::start_with(variables, Vec::new()).await
    }

    /// One whose index has taken these changes in.
    pub(crate) async fn start_with(variables: [(&str, &str); 1], indexed: Vec<Change>) -> Self {
        let (state, network, alice) = (TempDir::new().unwrap(), DidServer::start().await, plc(1));
        let here = format!("http://localhost:{}", network.port);
        let mut published = document(&alice, 1);
        published["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": here }]);
        network.publish(&alice, &published);
        let resolved = json!({ "did": alice }).to_string();
        network.set("/xrpc/com.atproto.identity.resolveHandle?handle=alice.test", Reply::Body(resolved));
        let path = state.path().join("appview.db");
        let mut all = vec![
            ("ATCR_BASE_URL", "http://localhost:5000"),
            ("ATCR_DATABASE_PATH", path.to_str().unwrap()),
            ("ATCR_PLC_DIRECTORY_URL", here.as_str()),
            ("ATCR_HANDLE_RESOLVER_URL", here.as_str()),
            ("TEST_MODE", "true"),
        ];
        all.extend(variables);
        let all: [(&str, &str); 6] = std::array::from_fn(|n| all[n]);
        if !indexed.is_empty() {
            let database = schema::open(&path).unwrap();
            let index = Index::new(database.clone(), IndexLimits::of_total(1000), || 1_700_000_000_000_000);
            index.apply(indexed, None).await.unwrap();
            for hold in index.due_holds(10).await.unwrap() {
                index.set_hold_is_public(&hold, Some(hold.as_str().contains("public")), u64::MAX >> 1).await.unwrap();
            }
            database.settle().await;
        }
        let config = Config::load(&Sources::of_environment(Environment::from(all))).unwrap();
        let (port, shutdown, running) = Self::run(&config);
        Self { port, network, alice, state, config, shutdown, running }
    }

    fn run(config: &Config) -> (u16, CancellationToken, JoinHandle<Result<(), StartError>>) {
        let listener = listeners::bind("127.0.0.1:0").unwrap();
        let port = listener.describe().rsplit(':').next().unwrap().parse().unwrap();
        let shutdown = CancellationToken::new();
        (port, shutdown.clone(), tokio::spawn(app::run(config.clone(), vec![listener], shutdown)))
    }

    /// Stops it once it has begun, has its database changed by these statements, and starts it again.
    pub(crate) async fn restart_after(&mut self, statements: &str) {
        self.get("/_health").await;
        self.shutdown.cancel();
        (&mut self.running).await.unwrap().unwrap();
        Connection::open(self.database()).unwrap().execute_batch(statements).unwrap();
        (self.port, self.shutdown, self.running) = Self::run(&self.config);
    }

    /// The PDS makes sessions whose tokens have this scope.
    pub(crate) fn signs_in_with(&self, scope: &str) {
        let claims = BASE64URL_NOPAD.encode(json!({ "scope": scope }).to_string().as_bytes());
        let session = json!({ "did": self.alice, "accessJwt": format!("e30.{claims}.s"), "refreshJwt": "r" });
        self.network.set("/xrpc/com.atproto.server.createSession", Reply::Body(session.to_string()));
        self.network.set("/xrpc/com.atproto.server.deleteSession", Reply::Body(String::new()));
    }

    /// Its database.
    pub(crate) fn database(&self) -> PathBuf {
        self.state.path().join("appview.db")
    }

    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.port, method, target)
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target).send().await
    }

    /// `GET /auth/token` with these scopes, as somebody.
    pub(crate) async fn token(&self, credentials: &str, scopes: &str) -> Answer {
        let call = self.call("GET", &format!("/auth/token?service=localhost:5000{scopes}"));
        call.header("authorization", &format!("Basic {}", BASE64.encode(credentials.as_bytes()))).send().await
    }
}

/// That an answer is this refusal, in the format of the specification.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = &answer.json()["errors"][0];
    assert_eq!(error["code"], code, "{error}");
    error["message"].as_str().unwrap().to_owned()
}

/// What a token of ours allows: a list of `name:action,action`.
pub(crate) fn rights(answer: &Answer) -> Vec<String> {
    let token = answer.ok()["token"].as_str().unwrap().to_owned();
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let of = |access: &serde_json::Value| {
        let actions: Vec<_> =
            access["actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect();
        format!("{}:{}", access["name"].as_str().unwrap(), actions.join(","))
    };
    claims["access"].as_array().unwrap().iter().map(of).collect()
}
