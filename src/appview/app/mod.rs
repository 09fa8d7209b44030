//! Wiring: from a configuration to a registry that serves.
//!
//! The only room that reads the clock and randomness for the others. [`run`] takes listeners and the shutdown as
//! arguments, so that a test brings its own.

mod auth_key;
mod error;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accounts::{Owners, SessionSettings, Sessions};
use crate::config::Config;
use crate::devices::Devices;
use crate::gate::{TokenKeys, Tokens};
use crate::holds::Holds;
use crate::images::Images;
use crate::oauth::{Client, Registration};
use crate::oci::{ENDPOINTS, OciState};
use crate::remote::Remote;
use crate::repos::Repos;
use crate::schema;
use crate::uploads::{UploadId, Uploads};
use crate::web::{Web, WebSettings};
use server::daemon::{self, Accepted, ConnectionLimits, Listener, SocketMetrics, now_us};
use server::identity::{Resolver, ResolverSettings};
use server::sqlite::Database;
use server::watchdog;
use server::wire::{self, HttpLimits, Rates};
use server::xrpc::{self, Front, RequestMetrics};

pub use error::StartError;

/// How often the queue of notices and stale uploads are looked at.
const MAINTAIN_EVERY: Duration = Duration::from_secs(30);

/// Serves the registry that `config` describes until `shutdown`, then lets requests in flight finish.
///
/// # Errors
/// [`StartError`] says whether the operator must change something (exit 78) or the system failed (exit 1).
pub async fn run(config: Config, listeners: Vec<Listener>, shutdown: CancellationToken) -> Result<(), StartError> {
    let database = schema::open(&config.database_path)?;
    let state = Arc::new(open(&config, &database)?);
    let sessions = Arc::clone(&state.sessions);
    let addresses = Listener::describe_all(&listeners);
    tracing::info!(url = %config.base_url, listening = addresses, version = env!("CARGO_PKG_VERSION"), "ready");
    daemon::notify::ready(&format!("serving {} on {addresses}", config.base_url));
    let mut background = JoinSet::new();
    background.spawn(maintain(Arc::clone(&state)));
    watchdog::keep(&mut background, &database);
    let serving = serve(state, listeners, &config, shutdown);
    let outcome = tokio::select! {
        served = serving => served.map_err(StartError::Listen),
        () = database.failed() => Err(StartError::DatabaseFailed),
    };
    background.shutdown().await;
    sessions.settle().await;
    database.settle().await;
    tracing::info!(cut_off = outcome?.cut_off, "stopped");
    Ok(())
}

/// Opens everything a request needs.
fn open(config: &Config, database: &Database) -> Result<OciState, StartError> {
    let key = auth_key::open(config.auth_key.as_ref(), &config.auth_key_path)?;
    let directory = ResolverSettings { plc_directory: config.plc_directory_url.clone(), test_mode: config.test_mode };
    let resolver = Resolver::new(&directory)?;
    let remote = Remote::new(config.test_mode, now_us, random).map_err(StartError::Roots)?;
    let sessions = SessionSettings {
        password_key: key.derive_secret("app passwords"),
        allow_main_password: config.allow_account_passwords,
        clock: now_us,
    };
    let keys = TokenKeys { access: key.derive_secret("access tokens"), refresh: key.derive_secret("refresh tokens") };
    let client = Arc::new(oauth_client(config, &remote)?);
    let sessions = Sessions::new(sessions, database.clone(), remote.clone(), resolver.clone(), Arc::clone(&client));
    let sessions = Arc::new(sessions);
    let owners = Arc::new(Owners::new(resolver.clone(), config.handle_resolver_url.clone()));
    let devices = Arc::new(Devices::new(database.clone(), now_us, random));
    let (of_web, of_devices) = (Arc::clone(&owners), Arc::clone(&devices));
    let web = Web::new(web_settings(config), database.clone(), of_web, (&sessions, client), of_devices);
    let repos = Arc::new(Repos::new(remote.clone(), resolver, Arc::clone(&sessions)));
    let holds = Holds::new(remote, Arc::clone(&sessions), Arc::clone(&repos), config.default_hold.clone());
    let holds = Arc::new(holds);
    Ok(OciState {
        front: Front {
            rates: Rates::new(config.limits.requests_per_address, 0),
            metrics: RequestMetrics::new(ENDPOINTS),
            trusted_proxies: config.trusted_proxies.clone(),
        },
        base_url: config.base_url.as_str().to_owned(),
        service: config.base_url.authority().to_owned(),
        allowed_accounts: config.allowed_accounts.clone(),
        tokens: Tokens::new(keys, config.base_url.authority()),
        owners,
        sessions,
        devices,
        web,
        holds: Arc::clone(&holds),
        uploads: Uploads::open(database.clone(), Arc::clone(&holds), config.uploads_dir(), now_us)?,
        images: Images::new(database.clone(), repos, holds, now_us),
        health: database.health(),
        clock: now_us,
        fresh_id,
    })
}

/// Who we are to authorization servers: by our key, or, where only this machine reaches us, as whoever signs in here.
fn oauth_client(config: &Config, remote: &Remote) -> Result<Client, StartError> {
    let registration = match config.base_url.loopback_origin() {
        Some(origin) => Registration::local(&origin),
        None => Registration::published(config.base_url.as_str(), auth_key::open_oauth(&config.oauth_key_path)?),
    };
    Ok(Client::new(remote.clone(), registration, config.test_mode, now_us, random))
}

/// Where browsers reach the pages.
fn web_settings(config: &Config) -> WebSettings {
    WebSettings {
        origin: config.base_url.loopback_origin().unwrap_or_else(|| config.base_url.as_str().to_owned()),
        registry: config.base_url.authority().to_owned(),
        test_mode: config.test_mode,
        is_enabled: config.ui_enabled,
        clock: now_us,
        random,
    }
}

/// Tells holds what they do not know yet, and forgets uploads that were given up, now and then.
async fn maintain(state: Arc<OciState>) {
    let mut ticks = tokio::time::interval(MAINTAIN_EVERY);
    loop {
        ticks.tick().await;
        match state.images.deliver_due().await {
            Ok(0) => {}
            Ok(manifests) => tracing::info!(manifests, "holds were told of manifests that they did not know yet"),
            Err(error) => tracing::warn!(%error, "holds cannot be told of manifests"),
        }
        match state.uploads.sweep().await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "stale uploads swept"),
            Err(error) => tracing::warn!(%error, "stale uploads cannot be swept"),
        }
        state.web.sweep().await;
    }
}

/// Answers on the public sockets until `shutdown`.
async fn serve(
    state: Arc<OciState>,
    listeners: Vec<Listener>,
    config: &Config,
    shutdown: CancellationToken,
) -> std::io::Result<daemon::Served> {
    let sockets = Arc::<SocketMetrics>::default();
    let connections = ConnectionLimits {
        total: config.limits.connections,
        per_address: config.limits.connections_per_address,
        proxies: config.trusted_proxies.clone(),
    };
    let metered = Arc::clone(&sockets);
    let handle = move |accepted: Accepted| {
        let state = Arc::clone(&state);
        let answer = move |request| xrpc::answer(Arc::clone(&state), request);
        let Accepted { stream, address, drain, activity } = accepted;
        wire::serve(metered.meter(stream), address.into(), HttpLimits::default(), answer, drain, activity)
    };
    daemon::serve(listeners, connections, sockets, handle, shutdown, config.limits.drain).await
}

/// Random bytes of the system, if it has any.
fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).is_ok().then_some(bytes)
}

/// A name that nobody can guess.
fn fresh_id() -> Option<UploadId> {
    let mut id = UploadId::default();
    getrandom::fill(&mut id).is_ok().then_some(id)
}
