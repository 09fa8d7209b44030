//! What stands in the page: what this hold is, whose, who may use it, and how.

use url::form_urlencoded::Serializer;

use super::html::Html;
use super::words::{counted, line, size};
use crate::api::state::ApiState;
use crate::api::xrpc::bsky_actor::{blob_of, blob_path};
use crate::blobs::Totals;
use crate::crew::{DEFAULT_DESCRIPTION, PublicInfo};
use atproto::lexicon::nsid;
use atproto::repo::cid;
use atproto::syntax::{Did, Handle, ServiceUrl};

pub(super) const STYLE: &str = include_str!("page.css");
const PAGE: &str = include_str!("page.html");
const STEPS: &str = include_str!("steps.html");
/// The hold's mark, where it has no picture of its own.
const MARK: &str = include_str!("mark.svg");

const MOVED: &str = "<aside class=\"moved\" aria-label=\"Moved\">
<p><strong>This hold has moved to {{name}}.</strong> Make that one your default hold.</p>
</aside>";
const FACT: &str = "<div><dt>{{name}}</dt><dd>{{value}}</dd></div>\n";
/// In characters; a record from elsewhere may have more than its lexicon allows.
const NAME_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 600;
const REGION_MAX: usize = 100;

/// What the page is made of.
pub(super) struct Content<'c> {
    pub(super) state: &'c ApiState,
    pub(super) public_info: &'c PublicInfo,
    /// The owner's handle, if it is proven.
    pub(super) owner: Option<&'c Handle>,
    /// What is stored, if anyone may know.
    pub(super) totals: Option<Totals>,
}

impl Content<'_> {
    /// The whole document.
    pub(super) fn page(&self) -> String {
        let host = self.state.hold.url.authority();
        let name = self.profile_text("displayName", NAME_MAX).unwrap_or_else(|| host.to_owned());
        let host_line = Html::fill("<p class=\"host\">{{host}}</p>", &[("host", Html::text(host))]);
        let pieces = [
            ("style", Html::literal(STYLE)),
            ("picture", self.picture()),
            ("host-line", if name == host { Html::default() } else { host_line }),
            ("name", Html::text(&name)),
            ("description", self.description()),
            ("moved", self.moved()),
            ("visibility", Html::literal(if self.public_info.captain.public { "Public" } else { "Private" })),
            ("access", Html::literal(self.access())),
            ("facts", self.facts()),
            ("steps", self.steps()),
            ("crew-records", self.crew_records()),
            ("version", Html::literal(env!("CARGO_PKG_VERSION"))),
        ];
        Html::fill(PAGE, &pieces).into_string()
    }

    fn profile_text(&self, field: &str, max: usize) -> Option<String> {
        line(self.public_info.profile.get(field)?.as_str()?, max)
    }

    fn picture(&self) -> Html {
        match blob_of(&self.public_info.profile, "avatar").and_then(|name| cid::parse(name).ok()) {
            Some(cid) => {
                let path = blob_path(self.state, &cid.to_string());
                Html::fill(
                    "<img class=\"picture\" src=\"{{path}}\" alt=\"\" width=\"72\" height=\"72\">",
                    &[("path", Html::text(&path))],
                )
            }
            None => Html::literal(MARK),
        }
    }

    fn description(&self) -> Html {
        match self.profile_text("description", DESCRIPTION_MAX) {
            Some(text) if text != DEFAULT_DESCRIPTION => {
                Html::fill("<p class=\"description\"><bdi>{{text}}</bdi></p>", &[("text", Html::text(&text))])
            }
            _ => Html::default(),
        }
    }

    /// Where the hold has gone, if it has.
    fn moved(&self) -> Html {
        let Some(successor) = &self.public_info.captain.successor else { return Html::default() };
        let name = match ServiceUrl::of_did(successor) {
            Ok(url) => Html::fill(
                "<a href=\"{{url}}/\">{{host}}</a>",
                &[("url", Html::text(url.as_str())), ("host", Html::text(url.authority()))],
            ),
            Err(_) => code(successor),
        };
        Html::fill(MOVED, &[("name", name)])
    }

    fn access(&self) -> &'static str {
        match (self.public_info.captain.public, self.public_info.joinable) {
            (true, true) => "Anyone may read what is stored here, and any account may join the crew and push.",
            (true, false) => "Anyone may read what is stored here. Only its crew may push.",
            (false, true) => "Only its crew may read and push. Any account may join.",
            (false, false) => "Only its crew may read and push.",
        }
    }

    fn facts(&self) -> Html {
        let captain = &self.public_info.captain;
        let region = captain.region.as_deref().and_then(|region| line(region, REGION_MAX));
        let region = region.map(|region| Html::fill("<bdi>{{text}}</bdi>", &[("text", Html::text(&region))]));
        let stored = self.totals.map(|totals| match totals.blobs {
            0 => Html::literal("nothing yet"),
            blobs => Html::text(&format!("{} in {}", size(totals.size_bytes), counted(blobs, "blob"))),
        });
        let joining = if self.public_info.joinable { "open to any account" } else { "by invitation" };
        let crew = Html::text(&format!("{}, {joining}", counted(self.public_info.members, "member")));
        let facts = [
            ("DID", Some(code(self.state.hold.url.did()))),
            ("Owner", Some(self.owner())),
            ("Crew", Some(crew)),
            ("Region", region),
            ("Stored", stored),
        ];
        let fact =
            |(name, value): (_, Option<_>)| Some(Html::fill(FACT, &[("name", Html::literal(name)), ("value", value?)]));
        Html::join(facts.into_iter().filter_map(fact))
    }

    /// The owner, with a way to get to know them.
    fn owner(&self) -> Html {
        let did = &self.public_info.captain.owner;
        match self.owner {
            Some(handle) => Html::fill(
                "<a href=\"https://bsky.app/profile/{{handle}}\">@{{handle}}</a><br>{{did}}",
                &[("handle", Html::text(handle.as_str())), ("did", code(did))],
            ),
            None => Html::fill(
                "{{did}}<br><a href=\"https://bsky.app/profile/{{path}}\">See their profile</a>",
                &[("did", code(did)), ("path", Html::text(&did.as_str().replace('%', "%25")))],
            ),
        }
    }

    /// The path at which anyone reads who is crew.
    fn crew_records(&self) -> Html {
        let did = self.state.hold.url.did().as_str();
        let query =
            Serializer::new(String::new()).append_pair("repo", did).append_pair("collection", &nsid::CREW).finish();
        Html::text(&format!("/xrpc/{}?{query}", nsid::LIST_RECORDS))
    }

    /// How to push here; a hold that has moved has nobody begin.
    fn steps(&self) -> Html {
        if self.public_info.captain.successor.is_some() {
            return Html::default();
        }
        let crew = if self.public_info.joinable {
            "Any account may join its crew."
        } else {
            "Only its crew find it there: ask its owner to be added."
        };
        let host = Html::text(self.state.hold.url.authority());
        Html::fill(STEPS, &[("host", host), ("crew", Html::literal(crew))])
    }
}

/// A DID to be copied: one click selects it.
fn code(did: &Did) -> Html {
    Html::fill("<code title=\"Click to select\">{{did}}</code>", &[("did", Html::text(did.as_str()))])
}
