//! Searches: the page, the methods for programs, and whatever is sent to both; stars.

use atproto::lexicon::Star;
use atproto::syntax::ImageName;
use serde_json::{Value, json};

use super::person::{HOST, Person, form_token, status};
use crate::asked::Asked as _;
use crate::index::{change, image};
use crate::oci::registry::Registry;
use crate::support::did_server::plc;
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const PUBLIC: &str = "did:web:public.example.org";
const SEARCH: &str = "/xrpc/io.atcr.appview.searchRepositories";
const LIST: &str = "/xrpc/io.atcr.appview.listRepositories";

async fn started() -> Registry {
    let alice = plc(1);
    let mut all = image(&alice, "team/app", "v1", PUBLIC, "<b>bold</b> \"quoted\" words");
    all.extend(image(&alice, "hidden", "v1", "did:web:private.example.org", "words"));
    for number in 0..30 {
        all.extend(image(&plc(2), &format!("many{number}"), "v1", PUBLIC, "of many"));
    }
    Registry::start_with(NONE, all).await
}

async fn page(registry: &Registry, path: &str) -> Answer {
    registry.call("GET", path).header("host", HOST).header("accept", "text/html").send().await
}

fn names(answer: &Value) -> Vec<&str> {
    answer["repositories"].as_array().unwrap().iter().map(|found| found["repository"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_page_shows_what_is_public_as_text_and_leads_on() {
    let registry = started().await;
    let found = page(&registry, "/search?q=words").await;
    assert_eq!(found.status, 200, "{}", found.text());
    let text = found.text();
    assert!(text.contains("/team/app\"") && text.contains("&#60;b&#62;bold") && !text.contains("<b>bold"), "{text}");
    assert!(!text.contains("/hidden") && text.contains("not verified"), "{text}");
    assert!(!text.contains("<script"), "no page needs one");
    let found = page(&registry, "/search?q=many").await.text().to_owned();
    let (_, rest) = found.split_once("<a href=\"/search?").expect("more");
    let next = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let second = page(&registry, &format!("/search?{next}")).await.text().to_owned();
    assert!(second.contains(">First<") && !second.contains(">Next<"), "{second}");
    let all = page(&registry, "/search").await.text().to_owned();
    assert!(all.contains("many") && !all.contains("/hidden"), "{all}");
    assert!(page(&registry, "/").await.text().contains("action=\"/search\""), "a field in every page");
}

#[tokio::test]
async fn whatever_is_asked_is_answered_or_refused_and_never_a_fault() {
    let registry = started().await;
    let long = "a".repeat(1025);
    for (query, status) in [
        ("q=", 200),
        ("q=%22", 200),
        ("q=*", 200),
        ("q=NEAR(", 200),
        ("q=a%20AND", 200),
        ("q=%00%1b", 200),
        ("q=%ff%fe", 200),
        ("q=%E2%80%AEabc", 200),
        ("q=%F0%9D%95%8F", 200),
        ("q=%3Cscript%3Ealert(1)%3C/script%3E", 200),
        ("q=a&q=b", 200),
        ("sort=nothing", 200),
        (&format!("q={long}"), 400),
        ("q=a&after=x", 400),
        ("after=AAAA", 400),
        ("after=__________________________", 400),
        ("after=AAAAAAAAAAAAAAAAAAAAAAAA", 400),
        ("after=f_________________________", 400),
    ] {
        let answer = page(&registry, &format!("/search?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
        assert!(!answer.text().contains("<script>alert"), "{query}");
    }
    // A place that somebody made up is one like others.
    let made_up = data_encoding::BASE64URL_NOPAD.encode(&[0x7f; 16]);
    assert_eq!(page(&registry, &format!("/search?after={made_up}")).await.status, 200);
    let behind = page(&registry, &format!("/search?q=many&after={made_up}")).await;
    assert_eq!(behind.status, 200);
    assert!(behind.text().contains("no more images here") && behind.text().contains(">First<"), "{}", behind.text());
    let ten_kilobytes = page(&registry, &format!("/search?q={}", "a".repeat(10_000))).await;
    assert_eq!(ten_kilobytes.status, 414);
    assert_eq!(registry.call("POST", "/search").header("host", HOST).send().await.status, 405);
}

#[tokio::test]
async fn programs_search_and_list_by_methods() {
    let registry = started().await;
    let answer = registry.get(&format!("{SEARCH}?q=words")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let found = answer.ok();
    assert_eq!(names(&found), ["team/app"]);
    let view = &found["repositories"][0];
    assert_eq!((&view["ownerDid"], &view["tag"], &view["size"]), (&json!(registry.alice), &json!("v1"), &json!(15)));
    assert_eq!(view["pushedAt"], "2026-02-01T00:00:00.000Z");
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = registry.get(&format!("{LIST}?limit=10{cursor}")).await.ok();
        all.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 31);
    for owner in [registry.alice.as_str(), "alice.test"] {
        assert_eq!(names(&registry.get(&format!("{LIST}?owner={owner}")).await.ok()), ["team/app"], "{owner}");
    }
    for query in ["", "q=", "q=a&limit=0", "q=a&limit=101", "q=a&limit=x", "q=a&cursor=x", "q=a&sort=x", "q=a&q=b"] {
        let answer = registry.get(&format!("{SEARCH}?{query}")).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("InvalidRequest")), "{query}");
    }
    for owner in ["x", "nobody.test", "did:plc:short%00"] {
        let answer = registry.get(&format!("{LIST}?owner={owner}")).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("InvalidRequest")), "{owner}");
    }
    assert_eq!(registry.get(&format!("{SEARCH}?q=%22*NEAR(")).await.status, 200);
    assert_eq!(registry.call("POST", SEARCH).send().await.json()["error"], "MethodNotAllowed");
    for path in ["/xrpc//search", "/xrpc/io.atcr.appview.other"] {
        assert_eq!(registry.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_star_is_a_record_of_who_gives_it() {
    let registry = started().await;
    registry.has_oauth();
    let (owner, name) = (registry.alice.clone(), ImageName::parse("team/app").unwrap());
    let did = owner.as_str().replace(':', "%3A");
    for collection in ["io.atcr.tag", "io.atcr.manifest"] {
        let list = format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection={collection}&limit=100");
        registry.says(&list, &json!({ "records": [] }));
    }
    let key = Star::key_of(&owner, &name);
    let (get, put) = ("/xrpc/com.atproto.repo.getRecord?", "/xrpc/com.atproto.repo.putRecord");
    let at = format!("{get}repo={did}&collection=io.atcr.sailor.star&rkey={}", key.as_str());
    registry.network.set(&at, status("400 X", "{\"error\":\"RecordNotFound\"}"));
    registry.says(put, &json!({ "uri": format!("at://{owner}/io.atcr.sailor.star/{}", key.as_str()), "cid": "b" }));
    let mut person = Person::of(&registry);
    let fields = [("owner", owner.as_str()), ("name", "team/app"), ("star", "give")];
    assert_eq!(person.send("/star", &fields).await.status, 403, "nobody gives none");
    person.sign_in().await;
    assert!(registry.announced("scope").contains("repo:io.atcr.sailor.star"));
    assert_eq!(person.send("/star", &fields).await.status, 403, "a form of ours has a token");
    assert_eq!(registry.network.requests_of(put), 0);
    let token = form_token(&person.open("/settings").await);
    let with = |star: &'static str| {
        [("token", token.as_str()), ("owner", owner.as_str()), ("name", "team/app"), ("star", star)]
    };
    assert_eq!(person.send("/star", &with("give")).await.status, 303);
    let written: Value = serde_json::from_slice(&registry.network.last_body(put)).unwrap();
    assert_eq!(written["record"]["subject"], format!("at://{owner}/io.atcr.repo.page/team~app"));
    assert_eq!((&written["record"]["$type"], &written["rkey"]), (&json!("io.atcr.sailor.star"), &json!(key)));
    let stars = async || registry.get(&format!("{SEARCH}?q=words")).await.ok()["repositories"][0]["starCount"].clone();
    assert_eq!(stars().await, 1);
    let record = json!({ "uri": format!("at://{owner}/io.atcr.sailor.star/{}", key.as_str()), "cid": "b", "value": written["record"] });
    registry.says(&at, &record);
    assert_eq!(person.send("/star", &with("give")).await.status, 303);
    assert_eq!((stars().await, registry.network.requests_of(put)), (json!(1), 1), "one is enough");
    let delete = "/xrpc/com.atproto.repo.deleteRecord";
    registry.network.set(delete, status("503 X", ""));
    assert_eq!(person.send("/star", &with("take")).await.status, 502);
    assert_eq!(stars().await, 1, "a PDS that is away has the star still");
    registry.says(delete, &json!({}));
    assert_eq!(person.send("/star", &with("take")).await.status, 303);
    assert_eq!(stars().await, 0);
    for bad in [("owner", "x"), ("name", "A"), ("star", "perhaps"), ("owner", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaz")] {
        let mut fields = with("give");
        fields.iter_mut().filter(|field| field.0 == bad.0).for_each(|field| field.1 = bad.1);
        assert!((400..500).contains(&person.send("/star", &fields).await.status), "{bad:?}");
    }
    assert!(change(&owner, "io.atcr.sailor.star", &(key.as_str().to_owned(), written["record"].clone())).is_some());
}
