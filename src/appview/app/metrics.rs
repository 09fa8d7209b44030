//! The metrics page: the name of each metric, its help text, and the source of its value.
//!
//! Names have a unit and `_total` by convention, and must not change: operators' dashboards and alerts use them.
//! <https://prometheus.io/docs/practices/naming/>

use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::StartError;
use super::maintenance::LastDone;
use crate::config::Config;
use crate::images::QueueTotals;
use crate::index::IndexTotals;
use crate::oci::OciState;
use crate::uploads::UploadTotals;
use crate::webhooks::WebhookTotals;
use server::bulkhead::BulkheadCounts;
use server::control::{self, Recounted};
use server::daemon::{Listener, SocketMetrics, listeners, usage::Usage};
use server::metrics::{MetricKind, Text};
use server::sqlite::Sizes;
use server::storage::{DiskSpace, show_faults};

/// Prefix of the names of the registry's own metrics.
const PROGRAM: &str = "atcr_appview";

/// Returns the listeners for metrics: see [`control::metrics_listeners`].
pub(super) fn listen(config: &Config, inherited: Vec<Listener>) -> Result<Vec<Listener>, StartError> {
    control::metrics_listeners(config.metrics_addr.as_deref(), inherited).map_err(|error| {
        let address = config.metrics_addr.clone().unwrap_or_default();
        StartError::MetricsSocket { address, reason: error.to_string(), remedy: listeners::remedy(&error) }
    })
}

/// Serves the metrics page until `shutdown`.
pub(super) async fn serve(
    sources: Arc<Sources>,
    listeners: Vec<Listener>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let page = move || Arc::clone(&sources).page();
    control::serve_metrics(page, listeners, shutdown).await
}

/// Sources of the metrics' values.
pub(super) struct Sources {
    pub(super) state: Arc<OciState>,
    /// Metrics of the public sockets.
    pub(super) sockets: Arc<SocketMetrics>,
    pub(super) max_connections: usize,
    /// Start of the process, in microseconds since 1970.
    pub(super) started_us: u64,
    pub(super) last_done: Arc<LastDone>,
    pub(super) counted: Recounted<Counted>,
}

/// Values that need a query of the database or the file system; `None` after an error.
#[derive(Clone, Default)]
pub(super) struct Counted {
    sessions: Option<u64>,
    uploads: Option<UploadTotals>,
    queue: Option<QueueTotals>,
    sizes: Option<Sizes>,
    index: Option<IndexTotals>,
    webhooks: Option<WebhookTotals>,
}

impl Sources {
    /// Returns the page, without values that cannot be read at present.
    async fn page(self: Arc<Self>) -> String {
        let counted = self.counted.get(self.count()).await;
        let mut text = Text::default();
        let help = "Always 1; the version is in the label.";
        let mut info = text.family("atcr_appview_build_info", MetricKind::Gauge, help);
        info.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        Usage::now().show(&mut text, self.started_us);
        let help = "Requests answered, by endpoint and by HTTP status.";
        self.state.front.metrics.show(&mut text, PROGRAM, help);
        self.sockets.show(&mut text, PROGRAM, self.max_connections);
        self.bulkheads(&mut text);
        self.uploads(&mut text, &counted);
        self.accounts(&mut text, &counted);
        self.queue(&mut text, &counted);
        self.webhooks(&mut text, &counted);
        self.index(&mut text, &counted);
        storage(&mut text, &counted);
        let help = "When maintenance last came to a good end; 0 before the first since the start.";
        let mut family = text.family("atcr_appview_task_last_success_timestamp_seconds", MetricKind::Gauge, help);
        for (task, at_us) in self.last_done.all() {
            family.value(&[("task", task)], at_us / 1_000_000);
        }
        text.into_string()
    }

    async fn count(&self) -> Counted {
        let state = &self.state;
        // An error here was counted as a storage fault, which is on the page as well.
        Counted {
            sessions: state.sessions.count().await.ok(),
            uploads: state.uploads.totals().await.ok(),
            queue: state.images.queue().await.ok(),
            sizes: state.database.sizes().await.ok(),
            index: state.index.totals().await.ok(),
            webhooks: state.webhooks.totals().await.ok(),
        }
    }

    fn bulkheads(&self, text: &mut Text) {
        let owners = self.state.owners.bulkheads();
        let pages = [("pages", self.state.web.page_counts()), ("page_look_ups", self.state.catalog.look_ups())];
        let counts: Vec<_> = self.state.admission.counts().into_iter().chain(owners).chain(pages).collect();
        BulkheadCounts::show(text, PROGRAM, &counts);
    }

    fn uploads(&self, text: &mut Text, counted: &Counted) {
        if let Some(uploads) = counted.uploads {
            text.gauge("atcr_appview_uploads_open", "Uploads that are open.", uploads.open);
            text.gauge("atcr_appview_upload_bytes", "Bytes in the uploads that are open.", uploads.bytes);
        }
        let counts = self.state.uploads.counts();
        text.counter("atcr_appview_uploads_begun_total", "Uploads begun.", counts.begun.get());
        let help = "Attempts to complete an upload: completed, refused (the client's fault), failed (hold or storage).";
        text.counter_by("atcr_appview_upload_completions_total", help, "result", &counts.completions);
        let help = "Uploads, and bodies of them, that a bound refused: account, total, spool, disk.";
        text.counter_by("atcr_appview_uploads_refused_total", help, "bound", self.state.uploads.refused());
        let help = "Uploads dropped because nothing touched them.";
        text.counter("atcr_appview_uploads_swept_total", help, counts.swept.get());
    }

    fn accounts(&self, text: &mut Text, counted: &Counted) {
        if let Some(sessions) = counted.sessions {
            text.gauge("atcr_appview_sessions", "Sessions at accounts' PDSes.", sessions);
        }
        let help = "Passwords that no PDS was asked about, because too many had been shown.";
        let refused = self.state.sessions.refused_passwords().get();
        text.counter("atcr_appview_passwords_refused_total", help, refused);
        let help = "Questions for an account's DID document by how they ended; known: from memory.";
        text.counter_by("atcr_appview_did_lookups_total", help, "result", self.state.owners.look_ups());
    }

    fn index(&self, text: &mut Text, counted: &Counted) {
        if let Some(index) = counted.index {
            text.gauge("atcr_appview_index_accounts", "Accounts that have something in the index.", index.accounts);
            let help = "Repositories, tags, manifests and stars in the index of what can be searched for.";
            text.gauge("atcr_appview_index_records", help, index.records);
            text.gauge("atcr_appview_index_repositories_shown", "Repositories that a search shows.", index.shown);
            let help = "Accounts whose records are still to be listed.";
            text.gauge("atcr_appview_index_accounts_to_list", help, index.to_list);
        }
        if !self.state.follow.settings().is_on() {
            return;
        }
        let counts = self.state.follow.counts();
        let help = "Whether a source of the network's events is followed.";
        text.gauge("atcr_appview_index_connected", help, counts.connected.get());
        let help = "Events of the network: commit, identity, account, unknown.";
        text.counter_by("atcr_appview_index_events_total", help, "kind", &counts.events);
        text.counter("atcr_appview_index_changes_total", "Changes that events came to.", counts.changes.get());
        let help = "Records of the index's collections that are not of their form: nothing was taken of them.";
        text.counter("atcr_appview_index_records_refused_total", help, counts.refused.get());
        let help = "When the last message of a source came; 0 before the first since the start.";
        let heard_s = counts.heard_us.get() / 1_000_000;
        text.gauge("atcr_appview_index_last_message_timestamp_seconds", help, heard_s);
        let help = "Connections to sources of events that ended or could not be made.";
        text.counter("atcr_appview_index_connection_failures_total", help, counts.failures.get());
        let help = "How old the last event was when it came, where its source says so.";
        text.gauge("atcr_appview_index_event_lag_seconds", help, counts.lag_us.get() / 1_000_000);
    }

    fn webhooks(&self, text: &mut Text, counted: &Counted) {
        if let Some(totals) = counted.webhooks {
            text.gauge("atcr_appview_webhooks", "Webhooks of repositories.", totals.webhooks);
            let help = "Deliveries to webhooks that wait, also those that are tried again.";
            let names = ["atcr_appview_webhook_deliveries_queued", "atcr_appview_webhook_delivery_oldest_seconds"];
            self.waiting(text, names, help, totals.waiting, totals.oldest_us);
        }
        let help = "Attempts to deliver to webhooks: delivered, failed (tried again), given_up.";
        text.counter_by("atcr_appview_webhook_attempts_total", help, "result", self.state.webhooks.outcomes());
    }

    fn queue(&self, text: &mut Text, counted: &Counted) {
        if let Some(queue) = counted.queue {
            let help = "Manifests that their hold was not told of yet.";
            let names = ["atcr_appview_notices_queued", "atcr_appview_notice_oldest_seconds"];
            self.waiting(text, names, help, queue.waiting, queue.oldest_us);
        }
        let help = "Attempts of the queue to tell a hold: delivered, failed (tried again), refused, given_up.";
        text.counter_by("atcr_appview_notice_attempts_total", help, "result", self.state.images.outcomes());
        let help = "Pulls by accounts that a hold is to count: delivered, refused, failed (not in time), dropped (too many wait).";
        text.counter_by("atcr_appview_pull_notices_total", help, "result", self.state.images.pull_outcomes());
    }

    /// Shows how much of a queue waits, and for how long the oldest of it has.
    fn waiting(&self, text: &mut Text, names: [&str; 2], help: &str, waiting: u64, oldest_us: Option<u64>) {
        let [waiting_name, oldest_name] = names;
        text.gauge(waiting_name, help, waiting);
        let oldest_s = oldest_us.map_or(0, |since_us| (self.state.clock)().saturating_sub(since_us) / 1_000_000);
        text.gauge(oldest_name, "How long the oldest of them has waited; 0 when there is none.", oldest_s);
    }
}

fn storage(text: &mut Text, counted: &Counted) {
    show_faults(text, PROGRAM);
    if let Some(sizes) = counted.sizes {
        sizes.show(text, PROGRAM);
        DiskSpace::show(text, PROGRAM, "the database", &[("database", Some(sizes.disk))]);
    }
}
