//! The page of metrics: every name, its meaning, and the source of its value.
//!
//! Names end in their unit and `_total` by convention, and must not change: operators' dashboards and alerts use them,
//! as do those in `nixos/metrics`. <https://prometheus.io/docs/practices/naming/>

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::api::ApiState;
use crate::blobs;
use crate::config::Config;
use crate::hold::Hold;
use crate::pds::{PdsError, SubscriberLag};
use atproto::lexicon::nsid;
use server::bulkhead::BulkheadCounts;
use server::control::{self, Recounted};
use server::daemon::{Listener, SocketMetrics, listeners, usage::Usage};
use server::metrics::{Gauge, MetricKind, Text};
use server::sqlite::{Database, Sizes};
use server::storage::{DiskSpace, show_faults};

/// Returns the sockets for metrics: see [`control::metrics_listeners`].
pub(super) fn listen(config: &Config, inherited: Vec<Listener>) -> Result<Vec<Listener>, StartError> {
    control::metrics_listeners(config.metrics_addr.as_deref(), inherited).map_err(|error| {
        let address = config.metrics_addr.clone().unwrap_or_default();
        StartError::MetricsSocket { address, reason: error.to_string(), remedy: listeners::remedy(&error) }
    })
}

/// Serves metrics until `shutdown`.
pub(super) async fn serve(sources: Sources, listeners: Vec<Listener>, shutdown: CancellationToken) -> io::Result<()> {
    let sources = Arc::new(sources);
    let page = move || Arc::clone(&sources).page();
    control::serve_metrics(page, listeners, shutdown).await
}

/// The prefix of the hold's own metrics.
const PROGRAM: &str = "atcr_hold";
/// Collections with a label value of their own; all others share one.
const COLLECTIONS: [&str; 5] =
    [nsid::CAPTAIN.as_str(), nsid::CREW.as_str(), nsid::PROFILE.as_str(), nsid::LAYER.as_str(), nsid::STATS.as_str()];
const OTHER: &str = "other";

/// Times when the maintenance tasks last succeeded, microseconds since 1970; 0 before the first time.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) swept_us: Gauge,
}

/// The sources of the values.
pub(super) struct Sources {
    hold: Arc<Hold>,
    state: Arc<ApiState>,
    database: Database,
    /// The metrics of the public sockets.
    pub(super) sockets: Arc<SocketMetrics>,
    max_connections: usize,
    pub(super) tasks: Arc<Tasks>,
    started_us: u64,
    counted: Recounted<Counted>,
}

/// Numbers that are counted in the database or the file system.
#[derive(Clone, Default)]
struct Counted {
    blobs: Option<blobs::BlobTotals>,
    open_uploads: Option<u64>,
    unpushed: Option<blobs::UnpushedBytes>,
    records: Option<Vec<(&'static str, u64)>>,
    crew: Option<u64>,
    event_bytes: Option<u64>,
    subscriber_lag: Option<SubscriberLag>,
    sizes: Option<Sizes>,
    blob_disk: Option<DiskSpace>,
}

impl Sources {
    /// Creates the sources of a hold whose process started at `started_us`, microseconds since 1970.
    pub(super) fn new(
        hold: &Arc<Hold>,
        state: &Arc<ApiState>,
        database: &Database,
        started_us: u64,
        max_connections: usize,
    ) -> Self {
        Self {
            hold: Arc::clone(hold),
            state: Arc::clone(state),
            database: database.clone(),
            sockets: Arc::default(),
            max_connections,
            tasks: Arc::default(),
            started_us,
            counted: Recounted::default(),
        }
    }

    /// Returns the page. Values that cannot be read at present are left out.
    async fn page(self: Arc<Self>) -> String {
        let counted = self.counted.get(self.count()).await;
        let mut text = Text::default();
        process(&mut text, self.started_us);
        self.requests(&mut text);
        self.accounts(&mut text);
        self.growth(&mut text);
        self.uploads(&mut text, &counted);
        self.storage(&mut text, &counted);
        repository(&mut text, &counted);
        self.upkeep(&mut text);
        text.into_string()
    }

    async fn count(&self) -> Counted {
        let hold = &self.hold;
        let records = hold.pds.read(|records| {
            let mut counts: Vec<_> = COLLECTIONS.into_iter().chain([OTHER]).map(|name| (name, 0)).collect();
            for collection in records.collections()? {
                let index = COLLECTIONS.iter().position(|known| *known == collection).unwrap_or(COLLECTIONS.len());
                counts[index].1 += records.count(&collection)?;
            }
            Ok::<_, PdsError>(counts)
        });
        // A failure here is counted as a storage error, which is on the page.
        Counted {
            blobs: hold.blobs.totals().await.ok(),
            open_uploads: hold.blobs.open_uploads().await.ok(),
            unpushed: hold.blobs.unpushed_bytes().await.ok(),
            records: records.await.ok(),
            crew: hold.crew.summary().await.ok().map(|summary| summary.members),
            event_bytes: hold.pds.event_bytes().await.ok(),
            subscriber_lag: hold.pds.subscriber_lag().await.ok(),
            sizes: self.database.sizes().await.ok(),
            blob_disk: hold.upkeep.disk_space().await.unwrap_or_default(),
        }
    }

    fn requests(&self, text: &mut Text) {
        let help = "Requests answered, by XRPC method or path and by HTTP status.";
        self.state.front.metrics.show(text, PROGRAM, help);
        self.sockets.show(text, PROGRAM, self.max_connections);
        self.bulkheads(text);
    }

    fn bulkheads(&self, text: &mut Text) {
        let identities = self.state.gate.authenticator().bulkheads();
        let counts: Vec<_> = self.state.admission.counts().into_iter().chain(identities).collect();
        BulkheadCounts::show(text, PROGRAM, &counts);
    }

    fn accounts(&self, text: &mut Text) {
        let authenticator = self.state.gate.authenticator();
        let help = "Checks of service tokens by how they ended: known (proven before), proven, the error's name, or why \
                    the account could not be looked up.";
        text.counter_by("atcr_hold_token_checks_total", help, "result", authenticator.checks());
        let help = "Questions for an account's DID document by how they ended; known: from memory.";
        text.counter_by("atcr_hold_did_lookups_total", help, "result", authenticator.look_ups());
    }

    fn growth(&self, text: &mut Text) {
        let help =
            "Subscribers of the event stream that were refused: all places are taken, or their address has its share.";
        text.counter_by("atcr_hold_firehose_refused_total", help, "reason", self.state.subscribers.refused());
        let help = "Pushes and new members that a bound on growth refused, by bound.";
        text.counter_by("atcr_hold_growth_refused_total", help, "bound", self.hold.pds.refused_growth());
    }

    fn uploads(&self, text: &mut Text, counted: &Counted) {
        let counts = self.hold.blobs.counts();
        if let Some(open) = counted.open_uploads {
            text.gauge("atcr_hold_uploads_open", "Uploads that are open.", open);
        }
        if let Some(unpushed) = counted.unpushed {
            let help = "Size of the blobs that accounts uploaded and no manifest names, once for each uploader.";
            text.gauge("atcr_hold_unreferenced_bytes", help, unpushed.unreferenced);
            text.gauge("atcr_hold_staged_bytes", "Size of what open uploads have staged.", unpushed.staged);
        }
        let help = "Last uses of blobs that are in memory and not in the database yet.";
        text.gauge("atcr_hold_last_uses_unwritten", help, self.hold.blobs.unflushed_uses());
        text.counter("atcr_hold_uploads_begun_total", "Uploads begun.", counts.begun.get());
        let help = "Attempts to complete an upload: completed, refused (the client's fault), failed (storage).";
        text.counter_by("atcr_hold_upload_completions_total", help, "result", &counts.completions);
        text.counter("atcr_hold_uploads_aborted_total", "Uploads given up by their client.", counts.aborted.get());
        let help = "Uploads dropped because nothing touched them.";
        text.counter("atcr_hold_uploads_swept_total", help, counts.swept.get());
        let help = "Uploads dropped because their account may not write any more.";
        text.counter("atcr_hold_uploads_revoked_total", help, counts.revoked.get());
        let help = "Uploads, parts and completions that were refused, by limit: account (limits.uploads_per_account), total \
                    (limits.uploads_total), quota.";
        text.counter_by("atcr_hold_uploads_refused_total", help, "limit", &counts.refused);
        let help = "Uploads aborted because parts that went past the hold were beyond a limit: part, blob, quota.";
        text.counter_by("atcr_hold_uploads_passed_limit_total", help, "limit", &counts.passed_limit);
        let help = "Uploads in a bucket that were read back to prove their digest.";
        text.counter("atcr_hold_proofs_total", help, counts.proofs.get());
        text.counter("atcr_hold_proof_read_bytes_total", "Bytes read for proofs.", counts.proof_bytes.get());
        let took = Duration::from_micros(counts.proof_us.get()).as_secs_f64();
        text.counter("atcr_hold_proof_seconds_total", "Time that proofs took.", took);
    }

    fn storage(&self, text: &mut Text, counted: &Counted) {
        if let Some(totals) = counted.blobs {
            text.gauge("atcr_hold_blobs", "Image blobs.", totals.blobs);
            text.gauge("atcr_hold_blob_bytes", "Size of all image blobs together.", totals.size_bytes);
        }
        show_faults(text, PROGRAM);
        if let Some(requests) = self.hold.upkeep.bucket_requests() {
            text.counter("atcr_hold_bucket_requests_total", "Requests sent to the bucket.", requests.sent.get());
            text.counter(
                "atcr_hold_bucket_retries_total",
                "Requests sent to the bucket again.",
                requests.retries.get(),
            );
            let help = "Requests to the bucket that failed, those sent again among them.";
            text.counter("atcr_hold_bucket_failures_total", help, requests.failures.get());
        }
        if let Some(sizes) = counted.sizes {
            sizes.show(text, PROGRAM);
        }
        let spaces = [("database", counted.sizes.map(|sizes| sizes.disk)), ("blobs", counted.blob_disk)];
        DiskSpace::show(text, PROGRAM, "the database and of the blobs", &spaces);
    }

    fn upkeep(&self, text: &mut Text) {
        let runs = self.hold.upkeep.runs();
        let help = "When a job last came to a good end; 0 before the first since the start.";
        let mut family = text.family("atcr_hold_task_last_success_timestamp_seconds", MetricKind::Gauge, help);
        let tasks = [("sweep", &self.tasks.swept_us), ("verify", &runs.verified_us), ("gc", &runs.collected_us)];
        for (task, at_us) in tasks {
            family.value(&[("task", task)], seconds(at_us.get()));
        }
        let help = "What the last verification of the blobs found: wrong, noted (informational), repaired.";
        let mut family = text.family("atcr_hold_verify_findings", MetricKind::Gauge, help);
        for (kind, count) in [("wrong", &runs.wrong), ("noted", &runs.noted), ("repaired", &runs.repaired)] {
            family.value(&[("kind", kind)], count.get());
        }
    }
}

fn repository(text: &mut Text, counted: &Counted) {
    if let Some(records) = &counted.records {
        let mut family =
            text.family("atcr_hold_records", MetricKind::Gauge, "Records of the repository, by collection.");
        for (collection, count) in records {
            family.value(&[("collection", collection)], count);
        }
    }
    if let Some(members) = counted.crew {
        text.gauge("atcr_hold_crew_members", "Crew, the captain among them.", members);
    }
    if let Some(bytes) = counted.event_bytes {
        text.gauge("atcr_hold_event_bytes", "Size of the events that are kept, together.", bytes);
    }
    if let Some(lag) = counted.subscriber_lag {
        let help = "Subscribers of the event stream.";
        text.gauge("atcr_hold_firehose_subscribers", help, lag.subscribers);
        let help = "Events that the slowest subscriber was not given yet, counted up to 1000; one that was up to date is \
                    given up at 500.";
        text.gauge("atcr_hold_firehose_lag_events", help, lag.behind_events);
        let help = "Sequence number of the newest event.";
        text.gauge("atcr_hold_firehose_last_seq", help, lag.last_seq);
    }
}

fn process(text: &mut Text, started_us: u64) {
    let version = env!("CARGO_PKG_VERSION");
    let help = "Always 1; the version is in the label.";
    text.family("atcr_hold_build_info", MetricKind::Gauge, help).value(&[("version", version)], 1);
    Usage::now().show(text, started_us);
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
