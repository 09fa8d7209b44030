//! Webhooks' pages: who may do what, by which form, and what is refused. What is delivered is in `tests/registry/webhooks.mjs`.

use rusqlite::Connection;

use super::person::{HOST, Person, form_token};
use crate::oci::registry::Registry;
use crate::support::http::Answer;

const ALL: &str = "/settings/webhooks?name=app";
const URL: &str = "http://localhost:1/hooks/of-its-owner";

/// A webhook of somebody else; answers its number.
fn of_another(registry: &Registry) -> i64 {
    let database = Connection::open(registry.database()).unwrap();
    let sql = "INSERT INTO webhook (account, repository, url, secret, created_us)
               VALUES ('did:web:other.example', 'app', 'https://ci.example.org/of-another', 'only-signs', 1)";
    database.execute(sql, ()).unwrap();
    database.last_insert_rowid()
}

#[tokio::test]
async fn nobody_but_its_owner_sees_or_changes_a_webhook() {
    let registry = Registry::start([("UNRELATED", "1")]).await;
    registry.has_oauth();
    let (mut person, mut nobody) = (Person::of(&registry), Person::of(&registry));
    person.sign_in().await;
    let token = form_token(&person.open(ALL).await);
    let id = of_another(&registry).to_string();
    let theirs = format!("/settings/webhook?id={id}");
    assert_eq!(person.open(&theirs).await.status, 404);
    assert!(!person.open(ALL).await.text().contains("of-another"));
    for what in ["test", "on", "off", "again", "delete"] {
        let form = [("token", token.as_str()), ("id", &id), ("do", what), ("delivery", "1"), ("sure", "yes")];
        assert_eq!(person.send("/settings/webhook", &form).await.status, 404, "{what}");
    }
    for path in [ALL, &theirs] {
        let page = nobody.open(path).await;
        assert!(page.text().contains("action=\"/auth/oauth/login\"") && !page.text().contains("of-another"), "{path}");
    }
    let others = nobody.form_token().await;
    for (path, form) in
        [("/settings/webhooks", "name=app&url=http%3A%2F%2Flocalhost%3A1"), ("/settings/webhook", "id=1&do=off")]
    {
        for token in ["", "x", &others] {
            let call = registry.call("POST", path).header("host", HOST).header("cookie", &person.cookie);
            assert_eq!(call.body(format!("{form}&token={token}")).send().await.status, 403, "{path} {token}");
        }
        let call = registry.call("POST", path).header("host", HOST).header("cookie", &person.cookie);
        let call = call.header("origin", "https://evil.example").body(format!("{form}&token={token}"));
        assert_eq!(call.send().await.status, 403, "{path}");
    }
    let database = Connection::open(registry.database()).unwrap();
    let left: (i64, i64) = database
        .query_row("SELECT count(*), sum(is_on) FROM webhook", (), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(left, (1, 1), "nothing was added, switched off or deleted");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_an_address_that_leads_inward_is_refused() {
    let registry = Registry::start([("UNRELATED", "1")]).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open(ALL).await);
    let form = |url| [("token", token.as_str()), ("name", "app"), ("url", url), ("secret", "brought-by-its-owner")];
    for url in
        ["https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/", "https://a:b@c.example/"]
    {
        let page = person.send("/settings/webhooks", &form(url)).await;
        assert_eq!(page.status, 400, "{url}");
        assert!(page.text().contains("the address cannot be used: "), "{}", page.text());
    }
    let added = person.send("/settings/webhooks", &form(URL)).await;
    assert!(added.status == 200 && added.text().contains("brought-by-its-owner"), "{}", added.text());
    let other = [("token", token.as_str()), ("name", "app"), ("url", URL), ("secret", "another-of-its-owner")];
    assert_eq!(person.send("/settings/webhooks", &other).await.status, 400, "it is there");
    for path in [ALL, "/settings/webhook?id=1", "/settings/data"] {
        let page = person.open(path).await;
        assert!(page.text().contains(URL) && !page.text().contains("brought-by-its-owner"), "{path}: {}", page.text());
    }
    let delete = |sure| [("token", token.as_str()), ("id", "1"), ("do", "delete"), ("sure", sure)];
    assert!(person.send("/settings/webhook", &delete("")).await.text().contains("Delete this webhook of app?"));
    assert_eq!(person.send("/settings/webhook", &delete("yes")).await.status, 303);
    assert_eq!(person.open("/settings/webhook?id=1").await.status, 404);
}

/// The text between two others in a page.
fn between<'p>(page: &'p Answer, before: &str, after: &str) -> Option<&'p str> {
    page.text().split_once(before)?.1.split_once(after).map(|(text, _)| text)
}

#[tokio::test]
async fn a_form_that_is_sent_twice_shows_the_secret_of_its_one_webhook_twice() {
    let registry = Registry::start([("UNRELATED", "1")]).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let mut known = Vec::new();
    for (url, number) in [("http://localhost:1/a", 1), ("http://localhost:1/b", 2)] {
        let page = person.open(ALL).await;
        let (token, once) = (form_token(&page), between(&page, "name=\"once\" value=\"", "\"").unwrap().to_owned());
        let form = |url| [("token", token.as_str()), ("name", "app"), ("url", url), ("once", once.as_str())];
        let answers =
            [person.send("/settings/webhooks", &form(url)).await, person.send("/settings/webhooks", &form(url)).await];
        let secrets = answers.map(|answer| between(&answer, "<pre><code>", "<").map(str::to_owned));
        assert!(secrets[0].is_some() && secrets[0] == secrets[1], "{secrets:?}");
        let database = Connection::open(registry.database()).unwrap();
        let stored: (i64, String) = database
            .query_row("SELECT count(*), max(secret) FILTER (WHERE url = ?1) FROM webhook", [url], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(stored, (number, secrets[0].clone().unwrap()));
        // The form again with another address, as after going back.
        let elsewhere = person.send("/settings/webhooks", &form("http://localhost:1/c")).await;
        known.extend([between(&elsewhere, "<pre><code>", "<").map(str::to_owned), secrets[0].clone()]);
        database.execute("DELETE FROM webhook WHERE url LIKE '%/c'", ()).unwrap();
        let another = [("token", token.as_str()), ("name", "app"), ("url", url), ("once", "of another page")];
        assert_eq!(person.send("/settings/webhooks", &another).await.status, 400, "it is there");
    }
    known.sort();
    known.dedup();
    assert_eq!(known.len(), 4, "each webhook has its own");
}
