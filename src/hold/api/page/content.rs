//! The content of the page: description of the hold, its owner, its access rules, and how to use it.

use askama::Template;
use url::form_urlencoded::Serializer;

use crate::api::state::ApiState;
use crate::api::xrpc::bsky_actor::{blob_of, blob_path};
use crate::blobs::BlobTotals;
use crate::crew::{DEFAULT_DESCRIPTION, PublicInfo};
use atproto::lexicon::nsid;
use atproto::repo::cid;
use atproto::syntax::{Did, Handle, ServiceUrl, Size};
use server::text::{line, with_noun};

pub(super) const STYLE: &str = include_str!("page.css");
/// The hold's icon, where it has no picture of its own.
const MARK: &str = include_str!("mark.svg");

/// Limit of the name, in characters; an imported record may have more than its lexicon allows.
const NAME_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 600;
const REGION_MAX: usize = 100;

/// The facts that the page shows.
pub(super) struct Content<'c> {
    pub(super) state: &'c ApiState,
    pub(super) public_info: &'c PublicInfo,
    /// The owner's handle, if it is verified.
    pub(super) owner: Option<&'c Handle>,
    /// The number and size of the blobs, if they are public.
    pub(super) totals: Option<BlobTotals>,
}

/// The fields of `page.html`; one that is missing here, or unused there, does not compile.
#[derive(Template)]
#[template(path = "page.html")]
struct Document<'c> {
    style: &'static str,
    mark: &'static str,
    /// The path of the hold's own picture.
    picture: Option<String>,
    name: &'c str,
    host: &'c str,
    /// The hold that succeeds this one, if there is one.
    successor: Option<Successor<'c>>,
    description: Option<String>,
    visibility: &'static str,
    access: &'static str,
    did: &'c Did,
    owner: &'c Did,
    owner_in_path: String,
    owner_handle: Option<&'c str>,
    crew: String,
    region: Option<String>,
    stored: Option<String>,
    /// The way to join the crew; `None` once the hold has a successor.
    joining: Option<&'static str>,
    /// The path of the crew records.
    crew_records: String,
    version: &'static str,
}

struct Successor<'c> {
    did: &'c Did,
    /// Its URL and host, if its DID has them.
    address: Option<(String, String)>,
}

impl Content<'_> {
    /// Returns the HTML document.
    ///
    /// # Errors
    /// When it cannot be rendered, which no record can cause.
    pub(super) fn page(&self) -> askama::Result<String> {
        let captain = &self.public_info.captain;
        let host = self.state.hold.pds.url().authority();
        let name = self.profile_text("displayName", NAME_MAX);
        let joinable = self.public_info.joinable;
        let crew = with_noun(self.public_info.members, "member");
        Document {
            style: STYLE,
            mark: MARK,
            picture: self.picture(),
            name: name.as_deref().unwrap_or(host),
            host,
            successor: captain.successor.as_ref().map(successor),
            description: self.profile_text("description", DESCRIPTION_MAX).filter(|text| text != DEFAULT_DESCRIPTION),
            visibility: if captain.public { "Public" } else { "Private" },
            access: self.access(),
            did: self.state.hold.pds.did(),
            owner: &captain.owner,
            owner_in_path: captain.owner.as_str().replace('%', "%25"),
            owner_handle: self.owner.map(Handle::as_str),
            crew: format!("{crew}, {}", if joinable { "open to any account" } else { "by invitation" }),
            region: captain.region.as_deref().and_then(|region| line(region, REGION_MAX)),
            stored: self.totals.map(|totals| match totals.blobs {
                0 => "nothing yet".to_owned(),
                blobs => format!("{} in {}", Size { bytes: totals.size_bytes }, with_noun(blobs, "blob")),
            }),
            joining: captain.successor.is_none().then_some(if joinable {
                "Any account may join its crew."
            } else {
                "Only its crew find it there: ask its owner to be added."
            }),
            crew_records: self.crew_records(),
            version: env!("CARGO_PKG_VERSION"),
        }
        .render()
    }

    fn profile_text(&self, field: &str, max: usize) -> Option<String> {
        line(self.public_info.profile.get(field)?.as_str()?, max)
    }

    fn picture(&self) -> Option<String> {
        let cid = blob_of(&self.public_info.profile, "avatar").and_then(|name| cid::parse(name).ok())?;
        Some(blob_path(self.state, &cid.to_string()))
    }

    fn access(&self) -> &'static str {
        match (self.public_info.captain.public, self.public_info.joinable) {
            (true, true) => "Anyone may read what is stored here, and any account may join the crew and push.",
            (true, false) => "Anyone may read what is stored here. Only its crew may push.",
            (false, true) => "Only its crew may read and push. Any account may join.",
            (false, false) => "Only its crew may read and push.",
        }
    }

    fn crew_records(&self) -> String {
        let did = self.state.hold.pds.did().as_str();
        let query =
            Serializer::new(String::new()).append_pair("repo", did).append_pair("collection", &nsid::CREW).finish();
        format!("/xrpc/{}?{query}", nsid::LIST_RECORDS)
    }
}

fn successor(did: &Did) -> Successor<'_> {
    let url = ServiceUrl::of_did(did).ok();
    Successor { did, address: url.map(|url| (url.as_str().to_owned(), url.authority().to_owned())) }
}
