//! Where a sign-in ends: on the page that the person came from, and never elsewhere.

use super::person::{HOST, Person, TOKEN, form_token, status};
use crate::oci::registry::Registry;
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];

/// The text between two others in a page.
fn between<'p>(page: &'p Answer, before: &str, after: &str) -> &'p str {
    let (_, rest) = page.text().split_once(before).unwrap_or_else(|| panic!("{before}: {}", page.text()));
    rest.split_once(after).unwrap().0
}

/// The page that the form of a sign-in page returns to. Of the characters of a path, HTML has another form for `&` alone.
fn next(page: &Answer) -> String {
    between(page, "name=\"next\" value=\"", "\"").replace("&#38;", "&")
}

impl Person<'_> {
    /// Signs in by the form of a page. Returns where the sign-in ends.
    async fn sign_in_by(&mut self, page: &Answer) -> String {
        let (token, next) = (form_token(page), next(page));
        let fields = [("token", token.as_str()), ("next", &next), ("handle", "alice.test")];
        let begun = self.send("/auth/oauth/login", &fields).await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        self.registry.says(TOKEN, &self.registry.tokens());
        let ended = self.come_back(&[]).await;
        assert_eq!(ended.status, 303, "{}", ended.text());
        ended.header("location").unwrap().to_owned()
    }

    /// Follows the link of a page to the sign-in, and signs in there. Returns where that ends.
    async fn sign_in_from(&mut self, page: &Answer) -> String {
        let link = between(page, "<a href=\"/auth/oauth/login", "\"").to_owned();
        let form = self.open(&format!("/auth/oauth/login{link}")).await;
        self.sign_in_by(&form).await
    }
}

#[tokio::test]
async fn a_sign_in_ends_on_the_page_that_it_was_begun_on() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    // Public pages have a link to the sign-in, also such as could not be shown.
    for page in ["/", "/search?q=a&sort=stars", "/nobody.test", "/nobody.test/team/app:v1?a=b&c=d"] {
        let mut person = Person::of(&registry);
        let shown = person.open(page).await;
        assert_eq!(person.sign_in_from(&shown).await, page);
    }
    // What only somebody may see has the form in its place.
    for page in ["/settings", "/auth/device", "/auth/device?user_code=WDJB-MJHT", "/settings/webhooks?name=team/app"] {
        let mut person = Person::of(&registry);
        let shown = person.open(page).await;
        assert_eq!(shown.text().contains("A device asks"), page.contains("user_code"));
        assert_eq!(person.sign_in_by(&shown).await, page);
    }
    let mut person = Person::of(&registry);
    let shown = person.open("/auth/oauth/login?user_code=wdjbmjht").await;
    assert_eq!(person.sign_in_by(&shown).await, "/auth/device?user_code=WDJB-MJHT");
    let file = person.open("/auth/logout").await;
    assert_eq!(file.status, 405);
    let mut stranger = Person::of(&registry);
    let file = stranger.open("/settings/data").await;
    assert_eq!(stranger.sign_in_by(&file).await, "/settings", "a file is no page to be on");
}

#[tokio::test]
async fn a_sign_in_that_did_not_begin_goes_on_to_the_same_page() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    let form = person.open("/auth/device?user_code=WDJB-MJHT").await;
    let (token, page) = (form_token(&form), next(&form));
    let fields = [("token", token.as_str()), ("next", &page), ("handle", "no handle")];
    let refused = person.send("/auth/oauth/login", &fields).await;
    assert_eq!(refused.status, 400);
    assert_eq!(person.sign_in_by(&refused).await, "/auth/device?user_code=WDJB-MJHT");
}

#[tokio::test]
async fn a_form_of_a_session_that_has_ended_leads_to_its_page() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let post = async |referer: &str| {
        let call = registry.call("POST", "/star").header("host", HOST).header("referer", referer);
        call.header("content-type", "application/x-www-form-urlencoded").body("star=give".to_owned()).send().await
    };
    for (referer, ends) in [
        (format!("http://{HOST}/alice.test/app?page=2"), "/alice.test/app?page=2"),
        ("http://evil.example/alice.test/app".to_owned(), "/settings"),
        (format!("http://{HOST}.evil.example/alice.test"), "/settings"),
        (format!("http://{HOST}@evil.example/alice.test"), "/settings"),
        (format!("http://{HOST}//evil.example/app"), "/settings"),
    ] {
        let refused = post(&referer).await;
        assert_eq!(refused.status, 403);
        let mut person = Person::of(&registry);
        assert_eq!(person.sign_in_from(&refused).await, ends, "{referer}");
    }
}

#[tokio::test]
async fn a_link_of_a_stranger_leads_nowhere_else() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    for next in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/alice.test",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/alice.test\r\nX-Evil: 1",
        "/auth/logout",
        "/settings/delete",
        "/auth/oauth/callback?state=a",
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let mut person = Person::of(&registry);
        let form = person.open(&format!("/auth/oauth/login?{query}")).await;
        assert_eq!(person.sign_in_by(&form).await, "/settings", "{next}");
        // The form is no better than the link.
        let mut person = Person::of(&registry);
        let token = person.form_token().await;
        let fields = [("token", token.as_str()), ("next", next), ("handle", "alice.test")];
        assert_eq!(person.send("/auth/oauth/login", &fields).await.status, 303);
        registry.says(TOKEN, &registry.tokens());
        assert_eq!(person.come_back(&[]).await.header("location"), Some("/settings"), "{next}");
    }
}

#[tokio::test]
async fn a_sign_in_that_was_refused_at_the_pds_leads_to_the_page_that_it_was_begun_on() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    for changes in [
        &[("error", "access_denied"), ("code", "")][..],
        &[("iss", "https://evil.example")],
        // The tokens cannot be had.
        &[],
    ] {
        let mut person = Person::of(&registry);
        let shown = person.open("/nobody.test/team/app:v1").await;
        let link = between(&shown, "<a href=\"/auth/oauth/login", "\"").to_owned();
        let form = person.open(&format!("/auth/oauth/login{link}")).await;
        let (token, page) = (form_token(&form), next(&form));
        let fields = [("token", token.as_str()), ("next", &page), ("handle", "alice.test")];
        assert_eq!(person.send("/auth/oauth/login", &fields).await.status, 303);
        registry.network.set(TOKEN, status("503 X", ""));
        let refused = person.come_back(changes).await;
        assert!(refused.status >= 400, "{changes:?}");
        assert_eq!(person.sign_in_from(&refused).await, "/nobody.test/team/app:v1", "{changes:?}");
        // It says nothing of where another browser was.
        assert_eq!(person.begin().await.status, 303);
        let mut other = Person::of(&registry);
        let refused = other.come_back(changes).await;
        assert_eq!(other.sign_in_from(&refused).await, "/settings", "{changes:?}");
    }
}

#[tokio::test]
async fn a_session_that_ends_soon_is_renewed_on_the_page_that_says_so() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let database = rusqlite::Connection::open(registry.database()).unwrap();
    database.execute("UPDATE browser_session SET expires_us = expires_us - 29 * 86400000000", ()).unwrap();
    let sql = "INSERT INTO webhook (account, repository, url, secret, created_us) VALUES (?1, 'app', 'https://a.example/', 's', 1)";
    database.execute(sql, [registry.alice.as_str()]).unwrap();
    for page in ["/settings", "/settings/webhooks?name=app", "/settings/webhook?id=1"] {
        let shown = person.open(page).await;
        let link = between(&shown, "<a href=\"/auth/oauth/login", "\">Sign in again</a>").to_owned();
        let form = person.open(&format!("/auth/oauth/login{link}")).await;
        assert_eq!(next(&form), page);
    }
}

#[tokio::test]
async fn a_form_that_another_tab_has_outdated_leads_to_its_page_and_keeps_what_was_written() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let cookie = person.cookie.clone();
    let post = async |path: &str, form: &str| {
        let call = registry.call("POST", path).header("host", HOST).header("cookie", &cookie);
        let call = call.header("referer", &format!("http://{HOST}/alice.test/app?page=2"));
        let call = call.header("sec-fetch-site", "same-origin");
        call.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned()).send().await
    };
    let token = form_token(&person.open("/settings").await);
    for (path, form) in [
        ("/star", "token=of+another+tab&star=give"),
        ("/settings/webhooks", "token=of+another+tab&name=app&url=https%3A%2F%2Fa.example%2F"),
        ("/settings/repository/page", "token=of+another+tab&name=app&text=of+an+hour"),
    ] {
        let refused = post(path, form).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(
            refused.text().contains("<a href=\"/alice.test/app?page=2\">Open the page again</a>"),
            "{}",
            refused.text()
        );
        assert!(!refused.text().contains("Sign in"), "somebody is signed in: {}", refused.text());
        if path.ends_with("/page") {
            assert!(refused.text().contains("of an hour</textarea>"), "{}", refused.text());
            assert!(!refused.text().contains("in another tab"), "it can be saved from here: {}", refused.text());
        }
        assert_eq!(form_token(&refused), token, "of this browser");
    }
    // What fails at another server is tried again from the page that had the form.
    registry.network.set("/xrpc/com.atproto.repo.putRecord", status("503 X", ""));
    let form = format!("token={token}&owner={}&name=app&star=give", registry.alice);
    let failed = post("/star", &form).await;
    assert!(failed.status >= 500, "{}", failed.text());
    assert!(failed.text().contains("Open the page again"), "{}", failed.text());
}
