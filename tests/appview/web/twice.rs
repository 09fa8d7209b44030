//! Forms that remove something and are sent twice, as by a double click: a browser shows the second answer alone.

use rusqlite::Connection;

use super::person::{Person, form_token};
use crate::oci::registry::Registry;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];

/// Sends a form twice with the same cookie, and returns where each answer leads.
async fn twice(person: &mut Person<'_>, path: &str, form: &[(&str, &str)]) -> [(u16, Option<String>); 2] {
    let cookie = person.cookie.clone();
    let first = person.send(path, form).await;
    person.cookie = cookie;
    let second = person.send(path, form).await;
    [first, second].map(|answer| (answer.status, answer.header("location").map(str::to_owned)))
}

fn leads_to(page: &str) -> [(u16, Option<String>); 2] {
    [(303, Some(page.to_owned())), (303, Some(page.to_owned()))]
}

#[tokio::test]
async fn a_webhook_that_is_deleted_by_a_double_click_leads_to_the_others() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings/webhooks?name=app").await);
    let add = [("token", token.as_str()), ("name", "app"), ("url", "http://localhost:1/hook")];
    assert_eq!(person.send("/settings/webhooks", &add).await.status, 200);
    let ask = [("token", token.as_str()), ("id", "1"), ("do", "delete")];
    let page = person.send("/settings/webhook", &ask).await;
    assert!(page.text().contains("name=\"name\" value=\"app\""), "{}", page.text());
    let delete = [("token", token.as_str()), ("id", "1"), ("name", "app"), ("do", "delete"), ("sure", "yes")];
    assert_eq!(twice(&mut person, "/settings/webhook", &delete).await, leads_to("/settings/webhooks?name=app"));
    // Of a page of an older program.
    let unnamed = [("token", token.as_str()), ("id", "1"), ("do", "delete"), ("sure", "yes")];
    assert_eq!(person.send("/settings/webhook", &unnamed).await.status, 404);
}

#[tokio::test]
async fn who_leaves_by_a_double_click_is_gone_and_not_accused() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let database = Connection::open(registry.database()).unwrap();
    person.sign_in().await;
    let page = person.open("/settings").await;
    let (token, session) = (form_token(&page), page.text().split_once("name=\"session\" value=\"").unwrap().1);
    let this = session.split('"').next().unwrap();
    let form = [("token", token.as_str()), ("session", this)];
    assert_eq!(twice(&mut person, "/settings/session", &form).await, leads_to("/auth/oauth/login"));
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let form = [("token", token.as_str()), ("sure", "yes")];
    assert_eq!(twice(&mut person, "/settings/delete", &form).await, leads_to("/"));
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    assert_eq!(twice(&mut person, "/auth/logout", &[("token", &token)]).await, leads_to("/auth/oauth/login"));
    let left: u32 = database.query_row("SELECT count(*) FROM browser_session", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    // Another browser of nobody has not left.
    let mut nobody = Person::of(&registry);
    let token = nobody.form_token().await;
    assert_eq!(nobody.send("/settings/delete", &[("token", &token), ("sure", "yes")]).await.status, 403);
}
