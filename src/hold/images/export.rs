//! Exports all records about an account as JSON, for the account. The JSON is made a page at a time, each from a
//! snapshot of its own, so that neither memory nor the database's log grows with the size of the account, or with the
//! slowness of the client.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Images, ImagesError};
use crate::crew::{self, Membership, member_key};
use crate::images::tables::{self, LayerPlace};
use crate::pds::Records;
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{LayerExport, PostExport, StatsExport, UserDataHead};
use atproto::syntax::{AtUri, Datetime, Did, RecordKey};

/// Records in a page: some 80 KB of JSON.
const PAGE: usize = 200;

/// The output of `exportUserData` in progress. Records written meanwhile may be in it or not; none is in it twice.
pub struct UserDataExport {
    images: Images,
    account: Did,
    now_us: u64,
    next: Option<(Part, Elements)>,
}

/// The next part of the output, with its cursor.
#[derive(Clone)]
enum Part {
    Head,
    Layers(LayerPlace),
    Stats(String),
    Posts(String),
}

/// Whether the current list has elements already.
#[derive(Clone, Copy, Default)]
struct Elements {
    are_there: bool,
}

/// A piece of the JSON, and the part that follows.
type Piece = (Vec<u8>, Option<(Part, Elements)>);

impl Images {
    /// Starts an export of all records about `account`. `now_us` is in microseconds since 1970.
    #[must_use]
    pub fn export_user_data(&self, account: &Did, now_us: u64) -> UserDataExport {
        UserDataExport {
            images: self.clone(),
            account: account.clone(),
            now_us,
            next: Some((Part::Head, Elements::default())),
        }
    }
}

impl UserDataExport {
    /// Returns the next piece of the JSON; `None` after the last one.
    ///
    /// # Errors
    /// A storage error; then there are no more pieces.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ImagesError> {
        let Some((part, elements)) = self.next.take() else { return Ok(None) };
        let (hold, account, now_us) = (self.images.inner.pds.did().clone(), self.account.clone(), self.now_us);
        let job = move |records: &Records<'_>| {
            Reader { records, hold: &hold, account: &account, now_us }.read(part, elements)
        };
        let (json, next) = self.images.inner.pds.read(job).await?;
        self.next = next;
        Ok(Some(json))
    }
}

/// Reads a page from one snapshot.
struct Reader<'r> {
    records: &'r Records<'r>,
    hold: &'r Did,
    account: &'r Did,
    now_us: u64,
}

impl Reader<'_> {
    fn read(&self, part: Part, elements: Elements) -> Result<Piece, ImagesError> {
        let (rows, account) = (self.records.snapshot(), self.account);
        let mut list = List { json: Vec::new(), elements };
        match part {
            Part::Head => {
                let mut json = to_json(&self.head()?)?;
                // The lists follow in the same object.
                json.pop();
                json.extend(br#","layerRecords":["#);
                Ok((json, Some((Part::Layers(LayerPlace::default()), Elements::default()))))
            }
            Part::Layers(after) => {
                let places = tables::layers_after(rows, account, &after, PAGE)?;
                for place in &places {
                    list.push(self.get::<LayerExport>(nsid::LAYER, &place.rkey)?)?;
                }
                Ok(list.end_page(places, Part::Layers, br#"],"statsRecords":["#, Some(Part::Stats(String::new()))))
            }
            Part::Stats(after) => {
                let keys = tables::stats_after(rows, account, &after, PAGE)?;
                for key in &keys {
                    list.push(self.get::<StatsExport>(nsid::STATS, key)?)?;
                }
                Ok(list.end_page(keys, Part::Stats, br#"],"blueskyPosts":["#, Some(Part::Posts(String::new()))))
            }
            Part::Posts(after) => {
                let keys = tables::posts_after(rows, account, &after, PAGE)?;
                for key in &keys {
                    list.push(self.post(key)?)?;
                }
                Ok(list.end_page(keys, Part::Posts, b"]}", None))
            }
        }
    }

    fn head(&self) -> Result<UserDataHead, ImagesError> {
        Ok(UserDataHead {
            exported_at: Datetime::from_micros(self.now_us),
            hold_did: self.hold.clone(),
            user_did: self.account.clone(),
            is_captain: Membership::read(self.records, self.account)?.captain,
            crew_record: self.get(nsid::CREW, member_key(self.account).as_str())?,
        })
    }

    fn post(&self, key: &str) -> Result<Option<PostExport>, ImagesError> {
        let Some(mut post) = self.get::<PostExport>(nsid::POST, key)? else { return Ok(None) };
        let rkey = RecordKey::parse(key).map_err(|error| ImagesError::Invalid(error.to_string()))?;
        post.uri = Some(AtUri::record(self.hold, &nsid::POST.into(), &rkey));
        Ok(Some(post))
    }

    fn get<T: DeserializeOwned>(&self, collection: Collection, key: &str) -> Result<Option<T>, ImagesError> {
        let record = self.records.get(&collection, key)?.map(|record| serde_json::from_value(record.value));
        record.transpose().map_err(|error| ImagesError::Crew(crew::CrewError::Unreadable(error.to_string())))
    }
}

/// A page of a list, as JSON.
struct List {
    json: Vec<u8>,
    elements: Elements,
}

impl List {
    /// Appends an element, if it is there.
    fn push(&mut self, element: Option<impl Serialize>) -> Result<(), ImagesError> {
        let Some(element) = element else { return Ok(()) };
        if std::mem::replace(&mut self.elements.are_there, true) {
            self.json.push(b',');
        }
        self.json.extend(to_json(&element)?);
        Ok(())
    }

    /// Ends the page. Returns it with the part that follows: the same list, or, at the end of that, `end` and `next`.
    fn end_page<P>(
        mut self,
        mut places: Vec<P>,
        same: impl FnOnce(P) -> Part,
        end: &[u8],
        next: Option<Part>,
    ) -> Piece {
        let is_full = places.len() == PAGE;
        match places.pop().filter(|_| is_full) {
            Some(last) => (self.json, Some((same(last), self.elements))),
            None => {
                self.json.extend(end);
                (self.json, next.map(|part| (part, Elements::default())))
            }
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ImagesError> {
    serde_json::to_vec(value).map_err(|error| ImagesError::Invalid(error.to_string()))
}
