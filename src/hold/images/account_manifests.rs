//! The manifests in the repository of one account, page by page.

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

use super::Push;
use super::manifest::{OwnAddress, blobs_of};
use atproto::lexicon::{RecordView, nsid};
use atproto::syntax::{AtUri, Did, Digest};
use server::identity::Resolver;
use server::text;

/// Time limit for all pages of one account. 20,000 manifests take some 200 pages.
const ACCOUNT_TIME: Duration = Duration::from_secs(600);
/// Limit of manifests of one account, for the sake of the hold's memory and repository.
const MAX_MANIFESTS: usize = 20_000;
/// Most characters of what is wrong with a record.
const MAX_REASON_CHARS: usize = 300;

/// A page of the list of one account.
#[derive(Default)]
pub(super) struct Listed {
    /// The manifests that name the hold.
    pub(super) pushes: Vec<Push>,
    /// Blobs of records that are not valid, or name an earlier address of the hold.
    pub(super) named: Vec<Digest>,
    /// Number of records that are not valid.
    pub(super) invalid: usize,
    /// Number of records that name an earlier address of the hold.
    pub(super) earlier: usize,
    /// How the list ended, in its last page.
    pub(super) end: Option<ListEnd>,
}

/// The records of one account that are not valid: one line of the log, however many they are.
#[derive(Default)]
struct InvalidRecords {
    count: usize,
    /// The address of the first one, and what is wrong with it.
    first: Option<(AtUri, String)>,
}

/// How the list of one account ended.
pub(super) enum ListEnd {
    /// All of it was read.
    Whole,
    /// The rest was not read, for this reason.
    Unasked(String),
}

/// Sends the manifests of `account` that name this hold, page by page; ends early when nobody takes them.
pub(super) async fn list(resolver: &Resolver, hold: OwnAddress<'_>, account: Did, pages: mpsc::Sender<(Did, Listed)>) {
    let mut left = ACCOUNT_TIME;
    let mut manifests = 0;
    let mut invalid = InvalidRecords::default();
    let mut cursor: Option<String> = None;
    loop {
        let mut listed = Listed::default();
        let begun = Instant::now();
        let page = timeout(left, resolver.list_records(&account, nsid::MANIFEST, cursor.as_deref())).await;
        left = left.saturating_sub(begun.elapsed());
        match page {
            Ok(Ok(page)) => {
                page.records.iter().for_each(|record| listed.add(hold, &account, record, &mut invalid));
                manifests += listed.pushes.len() + listed.invalid + listed.earlier;
                // Only a page without a cursor is surely the last one: a server may leave all records of a page out.
                let repeats = page.cursor.is_some() && page.cursor == cursor;
                if manifests > MAX_MANIFESTS {
                    listed.end = Some(ListEnd::Unasked(format!("it has more than {MAX_MANIFESTS} manifests here")));
                } else if page.cursor.is_none() || (repeats && page.records.is_empty()) {
                    listed.end = Some(ListEnd::Whole);
                } else if repeats {
                    listed.end = Some(ListEnd::Unasked("its list comes to the same place again".into()));
                }
                cursor = page.cursor;
            }
            Ok(Err(error)) => listed.end = Some(ListEnd::Unasked(error.to_string())),
            Err(_) => {
                let reason = format!("its list was not at its end after {} s", ACCOUNT_TIME.as_secs());
                listed.end = Some(ListEnd::Unasked(reason));
            }
        }
        let is_last = listed.end.is_some();
        if is_last {
            invalid.log(&account);
        }
        if pages.send((account.clone(), listed)).await.is_err() || is_last {
            return;
        }
    }
}

impl Listed {
    fn add(&mut self, hold: OwnAddress<'_>, account: &Did, record: &RecordView, invalid: &mut InvalidRecords) {
        match Push::of_record(hold, account, record) {
            Ok(Some(push)) => self.pushes.push(push),
            // Another hold may have that address by now, and these may be its manifests: the blobs are kept, and nothing is
            // recorded of them in public or for a quota.
            Ok(None) if hold.is_named_by_earlier_address(record) => {
                self.earlier += 1;
                self.named.extend(blobs_of(record));
            }
            Ok(None) => {}
            Err(error) => {
                self.invalid += 1;
                invalid.count += 1;
                // The error may have the record's own words.
                let reason = || text::line(&error.to_string(), MAX_REASON_CHARS).unwrap_or_default();
                invalid.first.get_or_insert_with(|| (record.uri.clone(), reason()));
                self.named.extend(blobs_of(record));
            }
        }
    }
}

impl InvalidRecords {
    fn log(&self, account: &Did) {
        if let Some((uri, reason)) = &self.first {
            let count = self.count;
            tracing::warn!(
                did = %account,
                count,
                %uri,
                "invalid manifest records of {account}: {count}, the first: {reason}"
            );
        }
    }
}
