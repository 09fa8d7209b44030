//! Wiring: from a configuration to a registry that serves.
//!
//! The only room that reads the clock and randomness for the others. [`run`] takes the listeners and the shutdown as
//! arguments, so that tests can pass their own.

mod auth_key;
mod error;
mod maintenance;
mod metrics;
mod reload;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::accounts::{Owners, SessionSettings, Sessions};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::devices::Devices;
use crate::follow::{Follow, FollowSettings};
use crate::gate::{TokenKeys, Tokens};
use crate::holds::Holds;
use crate::images::Images;
use crate::index::{Index, IndexLimits};
use crate::oauth::{Client, Registration};
use crate::oci::{Admission, ENDPOINTS, OciState, Policy};
use crate::operations;
use crate::remote::Remote;
use crate::repos::Repos;
use crate::schema;
use crate::uploads::{UploadId, UploadLimits, Uploads};
use crate::web::{Web, WebRooms, WebSettings};
use crate::webhooks::{WebhookSettings, Webhooks};
use atproto::keys::SigningKey;
use server::control::{self, AdminSocket, Recounted};
use server::daemon::{self, Background, ConnectionLimits, Inherited, Listener, LongStart, StatusLine, now_us};
use server::identity::{Resolver, ResolverSettings};
use server::reload::Reloads;
use server::sqlite::Database;
use server::watchdog;
use server::wire::Rates;
use server::xrpc::{Front, Public, RequestMetrics};

pub use error::StartError;
use metrics::Sources;
use reload::Follower;

/// Serves the registry that `config` describes until `shutdown`, then lets requests in flight finish.
///
/// # Errors
/// [`StartError`] says whether the operator must change something (exit 78) or the system failed (exit 1).
pub async fn run(config: Config, listeners: Vec<Listener>, shutdown: CancellationToken) -> Result<(), StartError> {
    run_reloading(config, None, Inherited { public: listeners, ..Inherited::default() }, shutdown).await
}

/// Like [`run`], and reads the configuration again at each of `reloads`.
///
/// # Errors
/// As [`run`].
pub async fn run_reloading(
    config: Config,
    reloads: Option<Reloads<Config>>,
    listeners: Inherited,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let started_us = now_us();
    let long_start = LongStart::begin(&shutdown);
    let path = config.database_path.clone();
    let database = move || schema::open(&path).map_err(StartError::from);
    let Some(database) = daemon::retry_blocking(&shutdown, database, StartError::is_transient).await? else {
        return Ok(());
    };
    // The database is locked, and no key is made yet: an address or a path that is in use also fails the start.
    let Inherited { public: listeners, metrics } = listeners;
    let metrics_listeners = metrics::listen(&config, metrics)?;
    let (admin_socket, admin_listener) = AdminSocket::bind(&config.admin_socket, &config.database_path)?;
    let state = Arc::new(open_rooms(&config, &database)?);
    let sessions = Arc::clone(&state.sessions);
    let addresses = Listener::describe_all(&listeners);
    tracing::info!(
        url = %config.base_url, listening = addresses,
        metrics = (!metrics_listeners.is_empty()).then(|| Listener::describe_all(&metrics_listeners)),
        version = env!("CARGO_PKG_VERSION"), "ready"
    );
    let told = Arc::clone(&state);
    let facts = move || operations::facts(Arc::clone(&told));
    let status = Arc::new(StatusLine::new(format!("serving {} on {addresses}", config.base_url), facts));
    status.ready().await;
    drop(long_start);

    let (connections, drain) = (connection_limits(&config), config.limits.drain);
    let sources = sources(&state, started_us, connections.total);
    let public = Public { program: Arc::clone(&state), sockets: Arc::clone(&sources.sockets), connections };
    let mut background = Background::default();
    maintenance::spawn(&mut background, &state, &sources.last_done);
    background.spawn("status", Arc::clone(&status).keep());
    if let Some(reloads) = reloads {
        let following = reloads.followed_by(Follower { running: config, state: Arc::clone(&state) }, status);
        let shutdown = shutdown.clone();
        background.spawn("reloads", async move { shutdown.run_until_cancelled(following).await.unwrap_or_default() });
    }
    watchdog::keep(&mut background, &database);
    let commands = control::serve(state, &operations::ROUTES, admin_listener, shutdown.clone(), drain);
    let scrapes = metrics::serve(sources, metrics_listeners, shutdown.clone());
    let serving = public.serve(listeners, shutdown.clone(), drain);
    let serving = async { tokio::try_join!(serving, commands, scrapes).map_err(StartError::Listen) };
    let outcome = tokio::select! {
        served = background.beside(serving, &shutdown) => served,
        () = database.failed() => Err(StartError::DatabaseFailed),
    };
    background.shutdown().await;
    sessions.settle().await;
    database.settle().await;
    drop(admin_socket);
    let (served, (), ()) = outcome?;
    tracing::info!(cut_off = served.cut_off, "stopped");
    Ok(())
}

/// Opens the registry for one command in this process, while no daemon has it.
///
/// # Errors
/// As [`run`]; [`StartError::NoDatabase`] before the first start.
pub fn open(config: &Config) -> Result<OciState, StartError> {
    if !config.database_path.exists() {
        return Err(StartError::NoDatabase(config.database_path.clone()));
    }
    open_rooms(config, &schema::open(&config.database_path)?)
}

/// Opens everything a request needs.
fn open_rooms(config: &Config, database: &Database) -> Result<OciState, StartError> {
    let key = auth_key::open(config.auth_key.as_ref(), &config.auth_key_path)?;
    let directory = ResolverSettings { plc_directory: config.plc_directory_url.clone(), test_mode: config.test_mode };
    let resolver = Resolver::new(&directory)?;
    let remote = Remote::new(config.test_mode, now_us, random).map_err(StartError::Roots)?;
    let keys = TokenKeys { access: key.derive_secret("access tokens"), refresh: key.derive_secret("refresh tokens") };
    let client = Arc::new(oauth_client(config, &remote)?);
    let settings = session_settings(config, &key);
    let sessions = Sessions::new(settings, database.clone(), remote.clone(), resolver.clone(), Arc::clone(&client));
    let sessions = Arc::new(sessions);
    let owners = Arc::new(Owners::new(resolver.clone(), config.handle_resolver_url.clone()));
    let devices = Arc::new(Devices::new(database.clone(), now_us, random));
    let index = Arc::new(open_index(config, database));
    let repos = Arc::new(Repos::new(remote.clone(), resolver.clone(), &sessions, &index));
    let holds = Arc::new(Holds::new(remote, resolver, &sessions, &repos, config.default_hold.clone()));
    let catalog = Arc::new(Catalog::new(database.clone(), &repos, &holds, &index, now_us));
    let follow = Follow::new(follow_settings(config), &index, &owners, &repos, &holds, now_us);
    let follow = follow.map_err(StartError::Roots)?;
    let webhooks = Arc::new(open_webhooks(config, database)?);
    let images = Arc::new(Images::new(database.clone(), &repos, &holds, &catalog, &webhooks, now_us));
    let uploads = Arc::new(open_uploads(config, database, Arc::clone(&holds))?);
    let web = WebRooms {
        owners: Arc::clone(&owners),
        sessions: Arc::clone(&sessions),
        client,
        devices: Arc::clone(&devices),
        catalog: Arc::clone(&catalog),
        index: Arc::clone(&index),
        repos,
        holds: Arc::clone(&holds),
        webhooks: Arc::clone(&webhooks),
        images: Arc::clone(&images),
        uploads: Arc::clone(&uploads),
    };
    let web = Web::new(web_settings(config), database.clone(), web);
    Ok(OciState {
        front: front(config),
        base_url: config.base_url.as_str().to_owned(),
        service: config.base_url.authority().to_owned(),
        policy: Policy::new(&config.allowed_accounts, config.proxy_blobs),
        admission: Admission::default(),
        tokens: Tokens::new(keys, config.base_url.authority()),
        owners,
        sessions,
        devices,
        web,
        holds,
        uploads,
        webhooks,
        images,
        catalog,
        index,
        follow,
        database: database.clone(),
        health: database.health(),
        clock: now_us,
        fresh_id,
    })
}

/// Makes the search index.
fn open_index(config: &Config, database: &Database) -> Index {
    let limits = IndexLimits::of_total(config.limits.index_records);
    let lists_new = follow_settings(config).is_on();
    Index::new(database.clone(), IndexLimits { lists_new, ..limits }, now_us)
}

/// Returns the settings of the sources of network events.
fn follow_settings(config: &Config) -> FollowSettings {
    FollowSettings {
        jetstream_urls: config.jetstream_urls.clone(),
        relay_url: config.relay_url.clone(),
        test_mode: config.test_mode,
    }
}

/// Makes the checks that every request passes first.
fn front(config: &Config) -> Front {
    Front {
        rates: Rates::new(config.limits.requests_per_address, 0),
        metrics: RequestMetrics::new(ENDPOINTS),
        trusted_proxies: config.trusted_proxies.clone(),
    }
}

/// Returns the settings of sessions at PDSes.
fn session_settings(config: &Config, key: &SigningKey) -> SessionSettings {
    SessionSettings {
        password_key: key.derive_secret("app passwords"),
        allow_main_password: config.allow_account_passwords,
        passwords_per_address: config.limits.passwords_per_address,
        clock: now_us,
    }
}

/// Makes the webhooks.
fn open_webhooks(config: &Config, database: &Database) -> Result<Webhooks, StartError> {
    Webhooks::new(database.clone(), webhook_settings(config)).map_err(StartError::Roots)
}

/// Opens the uploads under way, and their files.
fn open_uploads(config: &Config, database: &Database, holds: Arc<Holds>) -> Result<Uploads, StartError> {
    let limits = upload_limits(config);
    Ok(Uploads::open(database.clone(), holds, config.uploads_dir(), limits, now_us)?)
}

/// Returns the limits of uploads and of their bytes on this disk.
fn upload_limits(config: &Config) -> UploadLimits {
    UploadLimits {
        per_account: config.limits.uploads_per_account,
        total: config.limits.uploads_total,
        spool_bytes_per_account: config.limits.spool_bytes_per_account,
        reserve_bytes: config.limits.reserve_bytes,
    }
}

/// Makes the OAuth client: one published at the base URL with a key, or a local one without a key if the base URL is a
/// loopback address.
fn oauth_client(config: &Config, remote: &Remote) -> Result<Client, StartError> {
    let registration = match config.base_url.loopback_origin() {
        Some(origin) => Registration::local(&origin),
        None => Registration::published(config.base_url.as_str(), auth_key::open_oauth(&config.oauth_key_path)?),
    };
    Ok(Client::new(remote.clone(), registration, config.test_mode, now_us, random))
}

/// Returns the settings of the pages.
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

/// Returns the settings of webhooks.
fn webhook_settings(config: &Config) -> WebhookSettings {
    WebhookSettings {
        registry: config.base_url.authority().to_owned(),
        test_mode: config.test_mode,
        per_account: config.limits.webhooks_per_account,
        total: config.limits.webhooks_total,
        clock: now_us,
        random,
    }
}

/// Returns the limits of connections to the public sockets.
fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        total: config.limits.connections,
        per_address: config.limits.connections_per_address,
        proxies: config.trusted_proxies.clone(),
    }
}

/// Returns the sources of the metrics' values.
fn sources(state: &Arc<OciState>, started_us: u64, max_connections: usize) -> Arc<Sources> {
    Arc::new(Sources {
        state: Arc::clone(state),
        sockets: Arc::default(),
        max_connections,
        started_us,
        last_done: Arc::default(),
        counted: Recounted::default(),
    })
}

/// Returns random bytes of the system; `None` if it has none.
fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).is_ok().then_some(bytes)
}

/// Returns a random upload id, which cannot be guessed.
fn fresh_id() -> Option<UploadId> {
    let mut id = UploadId::default();
    getrandom::fill(&mut id).is_ok().then_some(id)
}
