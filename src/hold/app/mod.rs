//! Wiring: builds a serving hold from a configuration.
//!
//! The only room that reads the clock and randomness for the others, and the only one that names all of them. [`run`]
//! takes listeners and the shutdown as arguments, so that a test passes its own.

mod bucket;
mod clock;
mod error;
mod gc;
mod maintenance;
mod metrics;
mod new_key;
mod plc_document;
mod presence;
mod reload;
mod settings;
mod signing_key;
mod status;
mod storage_lock;
mod uploads;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::api::{Admission, ApiState, PageCache, Subscribers, endpoints};
use crate::blobs::{self, BlobPlace, Blobs, Presence};
use crate::config::{Config, Profile};
use crate::crew::{Crew, DocumentTable};
use crate::did_document::{HOLD_SERVICE, document};
use crate::gate::{Gate, UrlSigner};
use crate::hold::Hold;
use crate::images::Images;
use crate::operations::ROUTES;
use crate::pds;
use crate::pds::Pds;
use crate::relays::{CrawlRequester, RetryPolicy};
use crate::schema;
use crate::upkeep::Upkeep;
use server::control::{self, AdminSocket};
use server::daemon::{self, Background, ClockSteps, Inherited, Listener, LongStart, now_us};
use server::identity::{KeptDocuments, Resolver, ResolverSettings, SetupError};
use server::key_file;
use server::nonpoison::RwLock;
use server::reload::Reloads;
use server::sqlite::Database;
use server::tokens::{Audience, Authenticator};
use server::watchdog;
use server::wire::Rates;
use server::xrpc::{Front, Public, RequestMetrics};

pub use error::StartError;
use metrics::Sources;
pub use new_key::{NewKey, new_key};
pub use presence::adopt_storage;
use settings::{blob_limits, connection_limits, declared, images_settings, pds_limits, subscriber_limits};
use storage_lock::StorageLock;
pub use storage_lock::StorageUse;

/// Serves the hold of `config` until `shutdown`, then lets requests in flight finish.
///
/// # Errors
/// [`StartError`]; its exit code tells a configuration error (78) from a failure of the system (1).
pub async fn run(config: Config, listeners: Vec<Listener>, shutdown: CancellationToken) -> Result<(), StartError> {
    run_reloading(config, None, Inherited { public: listeners, ..Inherited::default() }, shutdown).await
}

/// As [`run`], and reads the configuration again at each of `reloads`.
///
/// # Errors
/// As [`run`].
pub async fn run_reloading(
    mut config: Config,
    reloads: Option<Reloads<Config>>,
    listeners: Inherited,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let started_us = now_us();
    let long_start = LongStart::begin(&shutdown);
    // First, so that a start that has to be refused creates no database, no key and no repository.
    let place = check(&config)?;
    let crawl = CrawlRequester::new(&config.public_url, &config.relays, config.test_mode, RetryPolicy::default());
    let crawl = crawl.map_err(SetupError::Roots)?;
    let Some(database) = wait_for_storage(&config, &place, &shutdown).await? else { return Ok(()) };
    // With the lock, and before there is a key: an address or a path in use refuses the start as well.
    let Inherited { public: listeners, metrics } = listeners;
    let metrics_listeners = metrics::listen(&config, metrics)?;
    let (admin_socket, admin_listener) = AdminSocket::bind(&config.admin_socket, &config.database_path)?;
    // The profile's picture need not stay in memory twice.
    let profile = std::mem::take(&mut config.profile);
    // What the end of the start would wait for, such as a sweep of many files, the next start does again.
    let started = shutdown.run_until_cancelled(start(&config, profile, place, &database)).await;
    let Some(started) = started else { return Ok(()) };
    let (hold, state, presence) = started.map_err(|error| error.of_database(&config.database_path))?;
    let status = status::ready(&config, &state, &listeners, &metrics_listeners).await;
    drop(long_start);

    let (connections, drain) = (connection_limits(&config), config.limits.drain);
    let sources = Sources::new(&hold, &state, &database, started_us, connections.total);
    let public = Public { program: Arc::clone(&state), sockets: Arc::clone(&sources.sockets), connections };
    let mut background = Background::default();
    maintenance::spawn(&mut background, &state, &sources.tasks, &config);
    background.spawn("status", Arc::clone(&status).keep());
    let presence = presence::keep(presence, hold.upkeep.bucket_requests().is_some(), Arc::clone(&status));
    background.spawn("presence of the storage", presence);
    if let Some(crawl) = crawl {
        let status = Arc::clone(&status);
        let tell = move |relays: &str| status.remark(format!("relays: {relays}"));
        background.spawn("relays", until(shutdown.clone(), crawl.run(state.hold.pds.newest_event(), tell)));
    }
    if let Some(reloads) = reloads {
        let follower = reload::Follower { running: config, hold: Arc::clone(&hold), state: Arc::clone(&state) };
        background.spawn("reloads", until(shutdown.clone(), reloads.followed_by(follower, status)));
    }
    if hold.pds.did().is_plc() {
        background.spawn("DID document", until(shutdown.clone(), plc_document::keep(Arc::clone(&hold))));
    }
    watchdog::keep(&mut background, &database);
    let blobs = hold.blobs.clone();
    let commands = control::serve(hold, &ROUTES, admin_listener, shutdown.clone(), drain);
    let scrapes = metrics::serve(sources, metrics_listeners, shutdown.clone());
    let serving = public.serve(listeners, shutdown.clone(), drain);
    let serving = async { tokio::try_join!(serving, commands, scrapes).map_err(StartError::Listen) };
    let outcome = tokio::select! {
        served = background.beside(serving, &shutdown) => served,
        () = database.failed() => Err(StartError::DatabaseFailed),
    };
    background.shutdown().await;
    gc::flush_last_used(&blobs).await;
    database.settle().await;
    drop(admin_socket);
    let (served, (), ()) = outcome?;
    tracing::info!(cut_off = served.cut_off, "stopped");
    Ok(())
}

/// Probes the bucket until it is usable, and opens the database once no other process has it. Returns `None` when
/// `shutdown` was cancelled first.
///
/// # Errors
/// The first error that is not transient.
async fn wait_for_storage(
    config: &Config,
    place: &BlobPlace,
    shutdown: &CancellationToken,
) -> Result<Option<Database>, StartError> {
    let bucket = || bucket::try_out(config, place, shutdown);
    let Some(Some(())) = daemon::retry_start(shutdown, bucket, StartError::is_transient).await? else {
        return Ok(None);
    };
    let path = config.database_path.clone();
    let database = move || schema::open(&path).map_err(StartError::from);
    daemon::retry_blocking(shutdown, database, StartError::is_transient).await
}

/// Opens the hold for one command in this process, while no daemon has it. Its records are not reconciled with the
/// configuration, and no request is sent to a bucket.
///
/// # Errors
/// As [`run`]; [`StartError::NoDatabase`] before the first start; [`StartError::StorageServed`].
pub async fn open(config: &Config, purpose: StorageUse) -> Result<Hold, StartError> {
    let place = check(config)?;
    if !config.database_path.exists() {
        return Err(StartError::NoDatabase(config.database_path.clone()));
    }
    let database = schema::open(&config.database_path)?;
    storage_lock::check_bucket(config, &place, purpose).await?;
    let opened = open_hold(config, config.profile.clone(), place, &database, purpose).await;
    opened.map(|(hold, ..)| hold).map_err(|error| error.of_database(&config.database_path))
}

/// Checks the configuration of blobs and key, as far as possible without the database; returns the opened storage.
fn check(config: &Config) -> Result<BlobPlace, StartError> {
    let place = bucket::place(config)?;
    if let Some(text) = &config.signing_key {
        signing_key::given(text)?;
    }
    Ok(place)
}

/// Opens the hold, the signer of URLs and the presence check of the storage.
async fn open_hold(
    config: &Config,
    profile: Profile,
    place: BlobPlace,
    database: &Database,
    purpose: StorageUse,
) -> Result<(Hold, UrlSigner, Presence), StartError> {
    let head = database.read(pds::stored_head).await?;
    // Before the storage is marked; one that is missing is made after it was, so that a start without usable storage leaves
    // nothing behind.
    let key = match &config.signing_key {
        Some(text) => Some(signing_key::given(text)?),
        None => signing_key::existing(&config.key_dir, head.is_some())?,
    };
    let lock = StorageLock::take(&place, purpose).await;
    let presence = presence::open(config, &place, database, head.is_none(), purpose, &lock).await?;
    let storage_lock = lock.keep(config, purpose)?;
    let store = bucket::store(&config.storage, &place).await?;
    let key = key.map_or_else(|| signing_key::create(&config.key_dir), Ok)?;
    let urls = UrlSigner::new(key.derive_secret("signed URLs"));
    let public_key = key.public();
    let pds = Pds::new(database.clone(), &config.did, &config.public_url, key, clock_id()?);
    pds.check_ownership().await?;
    pds.set_limits(pds_limits(config));
    let blob_settings = blobs::BlobSettings { place, limits: blob_limits(config) };
    let blobs = Blobs::open(blob_settings, database.clone()).await?.with_presence(presence.clone());
    let crew = Crew::new(pds.clone(), config.mutable_crew);
    let clock_steps = Arc::<ClockSteps>::default();
    let images = Images::open(pds.clone(), crew.clone(), images_settings(config), now_us()).await?;
    blobs.set_quota_limits(Arc::new(images.clone()));
    let documents: Arc<dyn KeptDocuments> = Arc::new(DocumentTable::new(pds.clone(), now_us));
    let hold = Hold {
        storage_lock,
        did_document: document(&config.did, &config.public_url, &public_key),
        key: public_key,
        key_file: config.signing_key.is_none().then(|| config.key_dir.join(key_file::FILE_NAME)),
        upkeep: Upkeep::new(database.clone(), store, blobs.digests(), now_us)
            .with_grace(config.gc.grace)
            .with_clock_steps(Arc::clone(&clock_steps))
            .with_presence(presence.clone()),
        blobs,
        images,
        crew,
        declared: RwLock::new(declared(config, profile)),
        pds,
        resolver: resolver(config)?.keeping(&documents),
        documents,
        clock: now_us,
        clock_steps,
    };
    Ok((hold, urls, presence))
}

/// Creates a resolver with the PLC directory of the configuration.
fn resolver(config: &Config) -> Result<Resolver, StartError> {
    let settings = ResolverSettings { plc_directory: config.plc_directory_url.clone(), test_mode: config.test_mode };
    Ok(Resolver::new(&settings)?)
}

/// Opens all that requests need, and reconciles the records with the configuration.
async fn start(
    config: &Config,
    profile: Profile,
    place: BlobPlace,
    database: &Database,
) -> Result<(Arc<Hold>, Arc<ApiState>, Presence), StartError> {
    let (hold, urls, presence) = open_hold(config, profile, place, database, StorageUse::Serve).await?;
    hold.blobs.recover().await?;
    clock::resume(&hold).await?;
    if let Some(head) = hold.pds.head().await?
        && let Some(seconds) = head.ahead_s(now_us())
    {
        tracing::warn!(
            rev = %head.rev,
            seconds,
            "the newest revision is ahead of this machine's clock: relays refuse commits until the clock has passed it; \
             check the clock"
        );
    }
    let changed = hold.crew.reconcile(&hold.declared(), now_us()).await?;
    if changed > 0 {
        tracing::info!(records = changed, "captain, crew and profile follow the configuration");
    }
    let resolver = hold.resolver.clone();
    let hold = Arc::new(hold);
    let state = ApiState {
        hold: Arc::clone(&hold),
        gate: Gate::new(Authenticator::new(audience(&hold), resolver.clone()), hold.crew.clone()),
        urls,
        front: Front {
            rates: Rates::new(config.limits.requests_per_address, config.limits.requests_per_account),
            metrics: RequestMetrics::new(endpoints().map(|(path, ..)| path)),
            trusted_proxies: config.trusted_proxies.clone(),
        },
        admission: Admission::new(config.limits.writes_per_account),
        page: PageCache::new(resolver),
        subscribers: Subscribers::new(subscriber_limits(config)),
        health: database.health(),
        accel_redirect: config.accel_redirect.clone(),
    };
    Ok((hold, Arc::new(state), presence))
}

/// Returns the audience that service tokens must name.
fn audience(hold: &Hold) -> Audience {
    Audience { did: hold.pds.did().clone(), service: HOLD_SERVICE }
}

/// Runs `job` until `shutdown`.
async fn until(shutdown: CancellationToken, job: impl Future<Output = ()>) {
    tokio::select! {
        () = job => {}
        () = shutdown.cancelled() => {}
    }
}

/// Returns a random clock id, which makes TIDs of this process differ from those of another one at the same
/// microsecond.
fn clock_id() -> Result<u16, StartError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}
