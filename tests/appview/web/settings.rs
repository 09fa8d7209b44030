//! Settings: who may change what, by which form, and what of it reaches the account's records.

use atproto::repo::cid;
use rusqlite::Connection;
use serde_json::json;

use super::person::{HOST, Person, TOKEN, form_token, status};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const PUT: &str = "/xrpc/com.atproto.repo.putRecord";
/// The least that is a picture: a WebP of eight by eight pixels.
const PICTURE: &str = "RIFF1234WEBPVP8X\n\0\0\0\0\0\0\0\x07\0\0\x07\0\0";
const CHANGES: [&str; 6] = [
    "/settings/delete",
    "/settings/hold",
    "/settings/session",
    "/settings/repository/page",
    "/settings/repository/picture",
    "/settings/repository/delete",
];

/// A form with a file, as browsers send it.
fn multipart(fields: &[(&str, &str)], file: &str) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let kind = "Content-Disposition: form-data; name=\"picture\"; filename=\"p\"\r\nContent-Type: image/png";
    body + &format!("--b\r\n{kind}\r\n\r\n{file}\r\n--b--\r\n")
}

#[tokio::test]
async fn nothing_is_changed_but_by_a_form_of_ours_in_a_browser_that_is_signed_in() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut person, mut nobody) = (Person::of(&registry), Person::of(&registry));
    person.sign_in().await;
    let mine = form_token(&person.open("/settings").await);
    let others = nobody.form_token().await;
    for path in CHANGES {
        let fields =
            |token| [("token", token), ("hold", "none"), ("name", "app"), ("reference", "v1"), ("sure", "yes")];
        for token in ["", "x", &others] {
            let status = person.send(path, &fields(token)).await.status;
            assert!(matches!(status, 400 | 403 | 415), "{path} {token}: {status}");
        }
        let status = nobody.send(path, &fields(&others)).await.status;
        assert!(matches!(status, 400 | 403 | 415), "{path}: nobody is signed in: {status}");
        for (header, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let call = registry.call("POST", path).header("host", HOST).header("cookie", &person.cookie);
            let body = format!("token={mine}&hold=none&name=app&reference=v1&sure=yes");
            let status = call.header(header, value).body(body).send().await.status;
            assert!(matches!(status, 400 | 403 | 415), "{path} {header}: {status}");
        }
        assert_eq!(registry.call("GET", path).header("host", HOST).send().await.status, 405, "{path}");
        let call = registry.call("POST", path).header("host", HOST).header("cookie", &person.cookie);
        let call = call.header("content-type", "multipart/form-data; boundary=b");
        let status = call.body(multipart(&[("token", &others), ("name", "app")], "x")).send().await.status;
        assert!(matches!(status, 400 | 403 | 415), "{path}: {status}");
    }
    assert_eq!(registry.network.requests_of(PUT), 0);
    for path in ["/settings", "/settings/repository?name=app"] {
        let page = nobody.open(path).await;
        assert!(page.text().contains("action=\"/auth/oauth/login\""), "{path}: {}", page.text());
    }
}

#[tokio::test]
async fn an_error_says_who_is_signed_in_and_leads_back() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut person, mut nobody) = (Person::of(&registry), Person::of(&registry));
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let missing = person.open("/alice.test/none").await;
    let wrong = person.send("/settings/session", &[("token", &token)]).await;
    for (page, status) in [(missing, 404), (wrong, 400)] {
        assert_eq!(page.status, status);
        for shown in [">alice.test</bdi>", ">Sign out<", "<a href=\"/settings\">settings</a>"] {
            assert!(page.text().contains(shown), "{shown}: {}", page.text());
        }
        assert!(!page.text().contains(">Sign in<"), "{}", page.text());
    }
    let forged = person.send("/settings/session", &[("token", "x")]).await;
    assert!(forged.text().contains(">Sign out<") && !forged.text().contains(">Sign in<"), "{}", forged.text());
    let missing = nobody.open("/alice.test/none").await;
    assert!(missing.text().contains(">Sign in<") && !missing.text().contains(">Sign out<"), "{}", missing.text());
}

#[tokio::test]
async fn an_account_is_signed_in_in_a_hundred_browsers_at_most() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100)
                INSERT INTO browser_session (cookie, account, created_us, expires_us)
                SELECT cast(printf('%032d', n) AS BLOB), ?1, n, 9000000000000000 FROM n";
    let (mut first, mut second) = (Person::of(&registry), Person::of(&registry));
    first.form_token().await;
    let database = Connection::open(registry.database()).unwrap();
    database.execute(rows, [registry.alice.as_str()]).unwrap();
    database.execute("UPDATE browser_session SET account = 'did:web:b.example' WHERE created_us = 1", ()).unwrap();
    let oldest = "SELECT count(*), min(created_us) FROM browser_session WHERE account = ?1";
    let of_alice = || {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        database.query_row(oldest, [registry.alice.as_str()], row).unwrap()
    };
    first.sign_in().await;
    assert_eq!(of_alice(), (100, 2));
    second.sign_in().await;
    assert_eq!(of_alice(), (100, 3), "the one that signed in first is signed out");
    for person in [&mut first, &mut second] {
        assert!(person.open("/settings").await.text().contains("This browser"));
    }
    let others: i64 = database.query_row(oldest, ["did:web:b.example"], |row| row.get(0)).unwrap();
    assert_eq!(others, 1);
}

#[tokio::test]
async fn a_choice_is_written_over_what_others_wrote_and_what_is_no_hold_is_refused() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let did = registry.alice.as_str().replace(':', "%3A");
    let profile = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self");
    let uri = format!("at://{}/io.atcr.sailor.profile/self", registry.alice);
    let value = json!({ "createdAt": "2026-01-01T00:00:00Z", "defaultHold": "did:web:old.example", "more": 7 });
    registry.says(&profile, &json!({ "uri": uri, "cid": "bafy", "value": value }));
    registry.says(PUT, &json!({ "uri": uri, "cid": "bafz" }));
    let mut person = Person::of(&registry);
    person.sign_in().await;
    // Any hold may name anybody as its crew.
    let database = Connection::open(registry.database()).unwrap();
    for number in 10..30 {
        let hold = format!("did:web:a{number}.example");
        database.execute("INSERT INTO index_hold (did, ask_us) VALUES (?1, 9000000000000000)", [&hold]).unwrap();
        let crew = "INSERT INTO index_crew (hold, member) VALUES (?1, ?2)";
        database.execute(crew, [hold.as_str(), registry.alice.as_str()]).unwrap();
    }
    let page = person.open("/settings").await;
    assert!(page.text().contains("This browser"), "{}", page.text());
    let places =
        ["did:web:old.example", "did:web:a10.example"].map(|hold| page.text().find(&format!("value=\"{hold}\"")));
    assert!(places[0].is_some() && places[0] < places[1], "one's own comes first: {}", page.text());
    assert_eq!(page.text().matches("value=\"did:web:").count(), 12);
    let token = form_token(&page);
    for hold in
        ["", "<b>", "javascript:alert(1)", "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:localhost%3A1", "https://"]
    {
        let answer = person.send("/settings/hold", &[("token", &token), ("hold", hold)]).await;
        assert_eq!(answer.status, 400, "{hold}: {}", answer.text());
        let answer = person.send("/settings/hold", &[("token", &token), ("hold", "other"), ("other", hold)]).await;
        assert_eq!(answer.status, 400, "{hold}: {}", answer.text());
    }
    assert_eq!(registry.network.requests_of(PUT), 0);
    let chosen = person.send("/settings/hold", &[("token", &token), ("hold", "none"), ("auto_remove", "yes")]).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text());
    let written: serde_json::Value = serde_json::from_slice(&registry.network.last_body(PUT)).unwrap();
    assert_eq!((&written["record"]["defaultHold"], &written["swapRecord"]), (&json!(null), &json!("bafy")));
    assert_eq!((&written["record"]["more"], &written["record"]["autoRemoveUntagged"]), (&json!(7), &json!(true)));
    assert_eq!(written["record"]["createdAt"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_page_of_a_repository_takes_markdown_and_pictures_and_nothing_else() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    registry.says(PUT, &json!({ "uri": format!("at://{}/io.atcr.repo.page/app", registry.alice), "cid": "b" }));
    let link = cid::raw_of(PICTURE.as_bytes()).to_string();
    let blob = json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": "image/webp", "size": PICTURE.len() });
    registry.says("/xrpc/com.atproto.repo.uploadBlob", &json!({ "blob": blob }));
    let did = registry.alice.as_str().replace(':', "%3A");
    let record = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.repo.page&rkey=team%7Eapp");
    let none = "HTTP/1.1 400 X\r\nContent-Length: 26\r\nConnection: close\r\n\r\n{\"error\":\"RecordNotFound\"}";
    registry.network.set(&record, Reply::Raw(none.into()));
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let token = token.as_str();
    for name in ["", "App", "../x", "<b>", &"a".repeat(300)] {
        let fields = [("token", token), ("name", name), ("text", "x")];
        assert_eq!(person.send("/settings/repository/page", &fields).await.status, 400, "{name}");
    }
    let long = "x".repeat(100_001);
    let answer =
        person.send("/settings/repository/page", &[("token", token), ("name", "team/app"), ("text", &long)]).await;
    assert_eq!(answer.status, 400);
    let text = "# A\r\n<script>";
    let answer =
        person.send("/settings/repository/page", &[("token", token), ("name", "team/app"), ("text", text)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let written: serde_json::Value = serde_json::from_slice(&registry.network.last_body(PUT)).unwrap();
    assert_eq!((&written["rkey"], &written["record"]["description"]), (&json!("team~app"), &json!("# A\n<script>")));
    for (file, status) in [("<svg onload=alert(1)>", 400), ("GIF89a", 400), (PICTURE, 303)] {
        let call = registry.call("POST", "/settings/repository/picture").header("host", HOST);
        let call = call.header("cookie", &person.cookie).header("content-type", "multipart/form-data; boundary=b");
        let answer = call.body(multipart(&[("token", token), ("name", "team/app")], file)).send().await;
        assert_eq!(answer.status, status, "{file}: {}", answer.text());
    }
    let big = "RIFF1234WEBP".to_owned() + &"x".repeat(3_100_000);
    let call = registry.call("POST", "/settings/repository/picture").header("host", HOST);
    let call = call.header("cookie", &person.cookie).header("content-type", "multipart/form-data; boundary=b");
    assert_eq!(call.body(multipart(&[("token", token), ("name", "team/app")], &big)).send().await.status, 400);
    for reference in ["", "<b>", "a b", "sha256:77"] {
        let fields = [("token", token), ("name", "app"), ("reference", reference), ("sure", "yes")];
        assert_eq!(person.send("/settings/repository/delete", &fields).await.status, 400, "{reference}");
    }
    let asked =
        person.send("/settings/repository/delete", &[("token", token), ("name", "app"), ("reference", "v1")]).await;
    assert!(asked.status == 200 && asked.text().contains("Delete v1?"), "it is asked twice: {}", asked.text());
}

#[tokio::test]
async fn of_many_tags_and_manifests_the_newest_are_shown_and_that_others_are_left_out() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (alice, did) = (&registry.alice, registry.alice.as_str().replace(':', "%3A"));
    let list = |collection: &str, records: Vec<serde_json::Value>| {
        let path = format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection={collection}&limit=100");
        registry.says(&path, &json!({ "records": records }));
    };
    let at = |number: u32| format!("2026-01-01T{:02}:{:02}:00Z", number / 60, number % 60);
    let hex = |number: u32| format!("{:064x}", number * 7919 % 65_536);
    let manifest = |number: u32| {
        let value =
            json!({ "repository": "app", "digest": format!("sha256:{}", hex(number)), "createdAt": at(number) });
        json!({ "uri": format!("at://{alice}/io.atcr.manifest/{}", hex(number)), "cid": "b", "value": value })
    };
    let tag = |number: u32| {
        let to = format!("at://{alice}/io.atcr.manifest/{}", hex(number));
        let value =
            json!({ "repository": "app", "tag": format!("v{number}"), "manifest": to, "updatedAt": at(number) });
        json!({ "uri": format!("at://{alice}/io.atcr.tag/app_v{number}"), "cid": "b", "value": value })
    };
    list("io.atcr.manifest", (0..250).map(manifest).collect());
    list("io.atcr.tag", (0..201).map(tag).collect());
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let page = person.open("/settings/repository?name=app").await;
    for (number, shown) in [(0, false), (49, false), (50, true), (249, true)] {
        let form = format!("name=\"reference\" value=\"sha256:{}\"", hex(number));
        assert_eq!(page.text().contains(&form), shown, "{number}");
    }
    for (number, shown) in [(0, false), (1, true), (200, true)] {
        assert_eq!(page.text().contains(&format!("name=\"reference\" value=\"v{number}\"")), shown, "{number}");
    }
    assert!(page.text().contains("The newest 200 of 250 manifests are shown"), "{}", page.text());
    assert!(page.text().contains("The newest 200 of 201 tags are shown"), "{}", page.text());
}

#[tokio::test]
async fn who_has_no_session_at_the_pds_any_more_is_told_to_sign_in_again() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    let did = registry.alice.as_str().replace(':', "%3A");
    let profile = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self");
    let uri = format!("at://{}/io.atcr.sailor.profile/self", registry.alice);
    registry.says(&profile, &json!({ "uri": uri, "cid": "bafy", "value": { "createdAt": "2026-01-01T00:00:00Z" } }));
    registry.network.set(PUT, status("401 X", "{\"error\":\"invalid_token\"}"));
    registry.network.set(TOKEN, status("400 X", "{\"error\":\"invalid_grant\"}"));
    let answer = person.send("/settings/hold", &[("token", &token), ("hold", "none")]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("has ended: sign in again"), "{}", answer.text());
    registry.says(PUT, &json!({ "uri": uri, "cid": "bafz" }));
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    assert_eq!(person.send("/settings/hold", &[("token", &token), ("hold", "none")]).await.status, 200);
    registry.network.set(PUT, status("403 X", "{\"error\":\"ScopeMissingError\"}"));
    let answer = person.send("/settings/hold", &[("token", &token), ("hold", "none")]).await;
    assert!(answer.text().contains("your sign-in does not allow this yet: sign in again"), "{}", answer.text());
}

#[tokio::test]
async fn a_session_is_ended_by_its_account_alone() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    one.sign_in().await;
    other.sign_in().await;
    let page = one.open("/settings").await;
    assert_eq!(page.text().matches("name=\"session\"").count(), 2, "{}", page.text());
    let token = form_token(&page);
    let (_, rest) = page.text().split_once("A browser").unwrap();
    let id = rest.split_once("name=\"session\" value=\"").unwrap().1.split('"').next().unwrap();
    let ended = one.send("/settings/session", &[("token", &token), ("session", id)]).await;
    assert_eq!(ended.status, 200);
    assert!(other.open("/settings").await.text().contains("action=\"/auth/oauth/login\""), "it is signed in no more");
    assert!(one.open("/settings").await.text().contains("This browser"));
    for id in ["", "x", "00"] {
        assert_eq!(one.send("/settings/session", &[("token", &token), ("session", id)]).await.status, 400);
    }
}

#[tokio::test]
async fn what_is_held_of_a_person_is_shown_and_deleted_by_that_person() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    assert!(one.open("/settings/data").await.text().contains("Your handle"), "nobody's is shown to nobody");
    one.sign_in().await;
    other.sign_in().await;
    let answer = one.open("/settings/data").await;
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"account.json\""));
    let held = answer.ok();
    assert_eq!((&held["account"], held["browsers"].as_array().unwrap().len()), (&json!(registry.alice), 2));
    assert_eq!((&held["sessions"][0]["byOauth"], &held["devices"]), (&json!(true), &json!([])));
    assert!(!held.to_string().contains("refresh") && !held.to_string().contains("cookie"), "{held}");
    let token = form_token(&one.open("/settings").await);
    assert_eq!(one.send("/settings/delete", &[("token", "x"), ("sure", "yes")]).await.status, 403);
    let asked = one.send("/settings/delete", &[("token", &token)]).await;
    assert!(asked.status == 200 && asked.text().contains("Delete your data?"), "{}", asked.text());
    assert!(one.open("/settings").await.text().contains("This browser"), "nothing was deleted yet");
    assert!(!asked.text().contains("has not been told"), "{}", asked.text());
    let notice = json!({
        "repository": "app", "userDid": registry.alice, "manifestDigest": format!("sha256:{}", "7".repeat(64)),
        "operation": "push", "manifest": { "mediaType": "m", "layers": [] },
    });
    let sql = "INSERT INTO notice (account, session, hold, notice, attempts, due_us, queued_us)
               VALUES (?1, 1, 'http://localhost:1', ?2, 0, 9000000000000000, 1)";
    let row = (registry.alice.as_str(), notice.to_string());
    Connection::open(registry.database()).unwrap().execute(sql, row).unwrap();
    let asked = one.send("/settings/delete", &[("token", &token)]).await;
    assert!(asked.text().contains("Of 1 image the hold has not been told yet"), "{}", asked.text());
    let gone = one.send("/settings/delete", &[("token", &token), ("sure", "yes")]).await;
    assert_eq!((gone.status, gone.header("location")), (200, None), "its hold does not answer");
    assert!(gone.text().contains("Of 1 image the hold does not know, and it will not be told"), "{}", gone.text());
    let database = Connection::open(registry.database()).unwrap();
    let notices: u32 = database.query_row("SELECT count(*) FROM notice", [], |row| row.get(0)).unwrap();
    assert_eq!(notices, 0);
    for browser in [&mut one, &mut other] {
        assert!(browser.open("/settings").await.text().contains("action=\"/auth/oauth/login\""));
    }
    one.sign_in().await;
    assert_eq!(one.open("/settings/data").await.ok()["browsers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn settings_of_a_repository_that_cannot_be_listed_do_not_say_that_it_is_empty() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let alice = registry.alice.as_str().replace(':', "%3A");
    let list = format!("/xrpc/com.atproto.repo.listRecords?repo={alice}&collection=io.atcr.tag&limit=100");
    registry.network.set(&list, status("503 X", ""));
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let page = person.open("/settings/repository?name=app").await;
    assert!(page.text().contains("Not all of it can be shown now"), "{}", page.text());
    for unknown in ["There are no tags", "There are no manifests"] {
        assert!(!page.text().contains(unknown), "{}", page.text());
    }
}

#[tokio::test]
async fn a_hold_that_was_looked_up_while_another_one_was_chosen_is_not_kept() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    registry.signs_in_with("com.atproto.appPass");
    let (did, port) = (registry.alice.as_str().replace(':', "%3A"), registry.network.port);
    let profile = format!("/xrpc/com.atproto.repo.getRecord?repo={did}&collection=io.atcr.sailor.profile&rkey=self");
    let uri = format!("at://{}/io.atcr.sailor.profile/self", registry.alice);
    let has_chosen = |hold: serde_json::Value| {
        registry.says(&profile, &json!({ "uri": uri, "cid": "bafy", "value": { "defaultHold": hold } }));
    };
    has_chosen(json!(format!("did:web:localhost%3A{port}")));
    registry.says(PUT, &json!({ "uri": uri, "cid": "bafz" }));
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let form = form_token(&person.open("/settings").await);
    let token =
        registry.token("alice.test:right", "&scope=repository:alice.test/app:pull,push").await.ok()["token"].clone();
    // A look-up ends with the question whether the hold has a successor.
    let hold = format!("did%3Aweb%3Alocalhost%253A{port}");
    let captain = format!("/xrpc/com.atproto.repo.getRecord?repo={hold}&collection=io.atcr.hold.captain&rkey=self");
    registry.network.set(&captain, Reply::Held("{}".into()));
    let shown = registry.network.requests_of(&captain);
    let push = || registry.call("POST", "/v2/alice.test/app/blobs/uploads/").bearer(token.as_str().unwrap()).send();
    let choose = async {
        while registry.network.requests_of(&captain) == shown {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        has_chosen(json!(null));
        let chosen = person.send("/settings/hold", &[("token", &form), ("hold", "none")]).await;
        assert!(chosen.text().contains("You have no hold now"), "{}", chosen.text());
        registry.network.release();
    };
    tokio::join!(push(), choose);
    let refused = push().await;
    assert!(refused.status == 403 && refused.text().contains("has no hold"), "{} {}", refused.status, refused.text());
}
