//! What a person typed is there after a refusal, and what was done is said by a page that is got, not sent.

use serde_json::json;

use super::person::{HOST, PUSHED, Person, form_token, status};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const PUT: &str = "/xrpc/com.atproto.repo.putRecord";
const TEXT: &str = "# Tides\n\nWritten for an hour: <b>&amp;</b>";
const SHOWN: &str = "# Tides\n\nWritten for an hour: &#60;b&#62;&#38;amp;&#60;/b&#62;</textarea>";

/// The answer to a form as a browser sends it from one of our pages, and the header with where it came from.
async fn send(person: &Person<'_>, target: &str, site: &str, fields: &[(&str, &str)]) -> crate::support::http::Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let call = person.registry.call("POST", target).header("host", HOST).header("cookie", &person.cookie);
    call.header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", site)
        .body(body)
        .send()
        .await
}

#[tokio::test]
async fn a_handle_that_is_wrong_stays_in_its_field_beside_the_reason() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let answer = person.begin_as("@alise").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("role=\"alert\"") && answer.text().contains("Type all of your handle"),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("name=\"handle\" value=\"@alise\""), "{}", answer.text());
    registry.network.set(PUSHED, status("503 X", "{}"));
    let token = form_token(&answer);
    let fields = [("token", &*token), ("handle", "alice.test"), ("user_code", "BCDF-GHJK")];
    let answer = person.send("/auth/oauth/login", &fields).await;
    assert!(answer.status >= 500, "{}", answer.status);
    assert!(answer.text().contains("value=\"alice.test\"") && answer.text().contains("user_code=BCDF-GHJK\""));
    registry.has_oauth();
    let fields = [("token", &*form_token(&answer)), ("handle", "alice.test")];
    assert_eq!(person.send("/auth/oauth/login", &fields).await.status, 303, "and the form goes on");
}

#[tokio::test]
async fn marks_of_direction_around_a_name_that_was_pasted_are_no_part_of_it() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    for name in ["\u{202a}@alice.test\u{202c}", " \u{2068}alice.test\u{2069} "] {
        assert_eq!(person.begin_as(name).await.status, 303, "{name:?}");
    }
    assert_eq!(person.begin_as("ali\u{202a}ce.test").await.status, 400);
    registry.signs_in_with("com.atproto.appPass");
    let scope = "&scope=repository:alice.test/app:pull,push";
    let token = registry.token("\u{202a}@alice.test\u{202c}:app-password", scope).await;
    assert_eq!(token.status, 200, "{}", token.text());
}

#[tokio::test]
async fn a_hold_that_is_named_but_not_chosen_is_asked_about() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    for (hold, other) in [("default", "hold.example"), ("none", "hold.example"), ("other", "local host")] {
        let fields = [("token", &*token), ("hold", hold), ("other", other), ("auto_remove", "yes")];
        let answer = person.send("/settings/hold", &fields).await;
        assert_eq!(answer.status, 400, "{hold}");
        let text = answer.text();
        assert!(
            text.contains("role=\"alert\"") && text.contains(&format!("name=\"other\" value=\"{other}\"")),
            "{text}"
        );
        assert!(
            text.contains(&format!("value=\"{hold}\" checked")) && text.contains("value=\"yes\" checked"),
            "{text}"
        );
    }
    assert_eq!(registry.network.requests_of(PUT), 0, "nothing was chosen");
}

#[tokio::test]
async fn a_webhook_that_is_refused_stays_in_its_form() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings/webhooks?name=app").await);
    let (url, secret) = ("https://127.0.0.1/hooks?a=1&b=2", "brought-by-its-owner");
    let fields = [("token", &*token), ("name", "app"), ("url", url), ("secret", secret)];
    let answer = person.send("/settings/webhooks", &fields).await;
    assert_eq!(answer.status, 400);
    for kept in ["role=\"alert\"", "value=\"https://127.0.0.1/hooks?a=1&#38;b=2\"", "value=\"brought-by-its-owner\""] {
        assert!(answer.text().contains(kept), "{kept}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_text_of_a_page_is_not_lost_when_it_cannot_be_saved() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut person, mut other) = (Person::of(&registry), Person::of(&registry));
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let fields = [("token", &*token), ("name", "team/app"), ("text", TEXT)];
    registry.network.set(PUT, status("503 X", "{}"));
    let answer = person.send("/settings/repository/page", &fields).await;
    assert!(answer.status >= 500 && answer.text().contains(SHOWN), "{} {}", answer.status, answer.text());
    assert!(answer.text().contains("name=\"name\" value=\"team/app\"") && form_token(&answer) == token);
    // The tab of before: the person has signed in again meanwhile.
    let stale = [("token", "x"), ("name", "team/app"), ("text", TEXT)];
    let answer = send(&person, "/settings/repository/page", "same-origin", &stale).await;
    assert!(answer.status == 403 && answer.text().contains(SHOWN) && form_token(&answer) == token, "{}", answer.text());
    for site in ["cross-site", "same-site", "none", ""] {
        let answer = send(&person, "/settings/repository/page", site, &stale).await;
        assert!(answer.status == 403 && !answer.text().contains("Tides"), "{site}: no other site writes on our pages");
    }
    // Signed out meanwhile, in another tab.
    person.send("/auth/logout", &[("token", &token)]).await;
    let answer = send(&person, "/settings/repository/page", "same-origin", &fields).await;
    assert!(answer.status == 403 && answer.text().contains(SHOWN), "{} {}", answer.status, answer.text());
    for site in ["cross-site", "same-site", "none", ""] {
        let answer = send(&person, "/settings/repository/page", site, &fields).await;
        assert!(answer.status == 403 && !answer.text().contains("Tides"), "{site}: no other site writes on our pages");
    }
    other.sign_in().await;
    let token = form_token(&other.open("/settings").await);
    let long = "x".repeat(100_001);
    let fields = [("token", &*token), ("name", "team/app"), ("text", &*long)];
    let answer = other.send("/settings/repository/page", &fields).await;
    assert!(answer.status == 400 && answer.text().contains(&long), "{}", answer.status);
    // So is one of as many characters as bytes fit, in any script, though a form has three bytes for each of theirs.
    let long = "海".repeat(100_000);
    let fields = [("token", &*token), ("name", "team/app"), ("text", &*long)];
    let answer = other.send("/settings/repository/page", &fields).await;
    assert!(answer.status == 400 && answer.text().contains(&long), "{}", answer.status);
    assert!(answer.text().contains("the text has 300000 bytes, 100000 at most fit"));
    let longer = "x".repeat(1_000_000);
    let fields = [("token", &*token), ("name", "team/app"), ("text", &*longer)];
    let answer = other.send("/settings/repository/page", &fields).await;
    assert!(answer.status == 400 && answer.text().contains("go back"), "{} {}", answer.status, answer.text());
}

#[tokio::test]
async fn what_was_done_is_said_by_a_page_of_its_own_to_this_browser_alone() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut person, mut other) = (Person::of(&registry), Person::of(&registry));
    person.sign_in().await;
    other.sign_in().await;
    let (uri, did) =
        (format!("at://{}/io.atcr.sailor.profile/self", registry.alice), registry.alice.as_str().replace(':', "%3A"));
    let profile = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self");
    registry.says(&profile, &json!({ "uri": uri, "cid": "a", "value": { "createdAt": "2026-01-01T00:00:00Z" } }));
    registry.says(PUT, &json!({ "uri": uri, "cid": "b" }));
    let token = form_token(&person.open("/settings").await);
    let answer = send(&person, "/settings/hold", "same-origin", &[("token", &token), ("hold", "none")]).await;
    let page = answer.header("location").unwrap_or_default().to_owned();
    assert_eq!((answer.status, page.starts_with("/settings?said=")), (303, true), "{page}");
    let said = "You have no hold now: pushes are refused";
    assert!(person.open(&page).await.text().contains(said));
    assert!(!other.open(&page).await.text().contains(said), "a link of somebody else says nothing");
    let forged = page.replace("no+hold", "a+new+hold");
    assert!(forged != page && !person.open(&forged).await.text().contains("a new hold"));
    assert!(!person.open("/settings?said=It+is+saved.").await.text().contains("It is saved"));
}

#[tokio::test]
async fn what_cannot_be_read_now_has_no_form_that_is_saved_over_it() {
    for (line, body, is_shown) in [("503 X", "{}", false), ("400 X", "{\"error\":\"RecordNotFound\"}", true)] {
        let registry = Registry::start(NONE).await;
        registry.has_oauth();
        registry.has_artifact(&json!({ "schemaVersion": 2, "manifests": [] }), &["v1"]);
        let mut person = Person::of(&registry);
        person.sign_in().await;
        for (collection, key) in [("io.atcr.sailor.profile", "self"), ("io.atcr.repo.page", "app")] {
            let did = registry.alice.as_str().replace(':', "%3A");
            let path = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection={collection}&rkey={key}");
            registry.network.set(&path, status(line, body));
        }
        for (path, form) in [
            ("/settings", "action=\"/settings/hold\""),
            ("/settings/repository?name=app", "action=\"/settings/repository/page\""),
        ] {
            let page = person.open(path).await;
            assert_eq!(page.status, 200, "{path}");
            assert_eq!(page.text().contains(form), is_shown, "{path}: {}", page.text());
            assert_eq!(page.text().contains("role=\"alert\""), !is_shown, "{path}: {}", page.text());
        }
    }
}
