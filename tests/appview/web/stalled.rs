//! A PDS that takes a request and never answers: how long a person waits, and what the page says.

use rusqlite::Connection;
use serde_json::json;

use super::person::{Person, form_token};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const SESSION: &str = "/xrpc/com.atproto.server.getSession?";
const PUT: &str = "/xrpc/com.atproto.repo.putRecord";

impl Registry {
    fn profile(&self) -> String {
        let did = self.alice.as_str().replace(':', "%3A");
        format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self")
    }

    fn stalls(&self, path: &str) {
        self.network.set(path, Reply::Stall(String::new()));
    }
}

#[tokio::test]
async fn the_settings_wait_for_a_profile_as_long_as_a_page_does_and_show_the_rest() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    registry.stalls(&registry.profile());
    let page = person.open("/settings").await;
    assert_eq!(page.status, 200);
    let said = "Your profile cannot be read now: the owner’s PDS: it cannot be reached: it did not answer within 5 s";
    assert!(page.text().replace("&#39;", "’").contains(said), "{}", page.text());
    assert!(page.text().contains("This browser") && !page.text().contains("action=\"/settings/hold\""));
}

#[tokio::test]
async fn a_form_that_a_pds_does_not_answer_asks_it_once_and_keeps_what_was_chosen() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let uri = format!("at://{}/io.atcr.sailor.profile/self", registry.alice);
    registry.says(&registry.profile(), &json!({ "uri": uri, "cid": "bafy", "value": {} }));
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let form = [("token", token.as_str()), ("hold", "none"), ("auto_remove", "yes")];
    let asked = || (registry.network.requests_of(SESSION), registry.network.requests_of(&registry.profile()));
    // The session was proven long ago.
    Connection::open(registry.database()).unwrap().execute("UPDATE pds_session SET proven_us = 0", ()).unwrap();
    registry.stalls(SESSION);
    let before = asked();
    let answer = person.send("/settings/hold", &form).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    for said in ["PDS", "did not answer within", "value=\"none\" checked", "value=\"yes\" checked"] {
        assert!(answer.text().contains(said), "{said}: {}", answer.text());
    }
    assert_eq!(asked(), (before.0 + 1, before.1), "a PDS that does not answer is not asked again for the same answer");
    assert_eq!(registry.network.requests_of(PUT), 0);
}
