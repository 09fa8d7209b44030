//! What a browser is shown at `/`: its headers, what it says of the hold, and that no record can make it say more.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use server::identity::{Pool, ResolveError};
use sha2::Digest as _;

use crate::support::did_server::{DidServer, Reply, document, plc};
use crate::support::hold::{Answer, Hold, PRIVATE, PUBLIC};
use crate::support::repo_home::PROFILE;

const PROOF_PATH: &str = "/.well-known/atproto-did";

async fn page(hold: &Hold) -> String {
    let answer = hold.get("/").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

/// The page once it has this text: it may be two seconds old.
async fn page_with(hold: &Hold, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let page = page(hold).await;
        if page.contains(text) {
            return page;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no {text:?} in {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has the captain's document claim a handle that is proven, or not, by what is at [`PROOF_PATH`].
fn claim(network: &DidServer, did: &atproto::syntax::Did, handle: &str) -> Value {
    let mut document = document(did, 1);
    document["alsoKnownAs"] = json!([format!("at://{handle}")]);
    document["service"][1]["serviceEndpoint"] = json!(format!("http://localhost:{}", network.port));
    document
}

async fn put_profile(hold: &Hold, record: Value) -> Answer {
    let input = json!({ "repo": hold.did(), "collection": PROFILE, "rkey": "self", "record": record });
    hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await
}

#[tokio::test]
async fn its_headers_let_a_browser_do_nothing_but_show_it() {
    let hold = Hold::start(PUBLIC).await;
    let answer = hold.get("/").send().await;
    let text = answer.text();
    let style = text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = BASE64.encode(&sha2::Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let etag = answer.header("etag").unwrap().to_owned();
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", &policy),
        ("cache-control", "public, max-age=10"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-length", &text.len().to_string()),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">"));
    for (part, times) in [("<h1>", 1), ("<main>", 1), ("<title>", 1), ("<script", 0), (" style=", 0), ("{{", 0)] {
        assert_eq!(text.matches(part).count(), times, "{part}");
    }
    assert!(text.len() < 16 * 1024, "{} bytes", text.len());

    for (known, status) in
        [(etag.clone(), 304), (format!("\"x\", W/{etag}"), 304), ("*".into(), 304), ("\"x\"".into(), 200)]
    {
        for method in ["GET", "HEAD"] {
            let again = hold.call(method, "/").header("if-none-match", &known).send().await;
            assert_eq!((again.status, again.header("etag")), (status, Some(etag.as_str())), "{known}");
            assert!(status == 200 || again.text().is_empty());
        }
    }
    hold.call("POST", "/").send().await.assert_refused(405, "MethodNotAllowed", "use GET, HEAD here");
}

#[tokio::test]
async fn it_says_what_the_records_say_and_of_a_private_hold_not_what_it_stores() {
    let mut hold = Hold::start(&format!("region = \"eu-central-1\"\n{PUBLIC}")).await;
    hold.upload(&hold.writer, &[7; 1500]).await;
    let public = page(&hold).await;
    for part in [
        &format!("<h1><bdi>localhost:{}</bdi></h1>", hold.port),
        &format!(">{}</code>", hold.did()),
        &format!(">{}</code>", hold.captain.did),
        "<b>Public</b> Anyone may read what is stored here. Only its crew may push.",
        "<dd>5 members, by invitation</dd>",
        "<dd><bdi>eu-central-1</bdi></dd>",
        "<dd>1.5 KB in 1 blob</dd>",
        "docker push atcr.io/",
        "ask its owner",
    ] {
        assert!(public.contains(part), "{part} is not in {public}");
    }
    assert!(!public.contains("class=\"moved\"") && !public.contains("class=\"host\""));
    hold.remove_from_crew(&hold.reader).await;

    hold.restart(&format!("allow_all_crew = true\n{PRIVATE}")).await;
    let private = page(&hold).await;
    for part in
        ["<b>Private</b> Only its crew may read and push. Any account may join.", "members, open to any account"]
    {
        assert!(private.contains(part), "{part} is not in {private}");
    }
    assert!(!private.contains("Stored") && !private.contains("Region"), "{private}");
    hold.restart(&format!("allow_all_crew = true\nmutable_crew = false\n{PUBLIC}")).await;
    assert!(page(&hold).await.contains("Only its crew may push"), "who asks would be refused");
}

#[tokio::test]
async fn a_hold_that_has_moved_says_where_and_has_nobody_begin() {
    let hold = Hold::start("successor = \"did:web:next.example.org\"\npublic = true\n").await;
    let page = page(&hold).await;
    assert!(page.contains("moved to <a href=\"https://next.example.org/\">next.example.org</a>"), "{page}");
    assert!(!page.contains("docker push"));
}

#[tokio::test]
async fn a_handle_is_shown_once_it_is_proven_and_not_waited_for() {
    let hold = Hold::start(PUBLIC).await;
    let (captain, network) = (&hold.captain.did, &hold.network);
    network.set(&format!("/{captain}"), Reply::Held(claim(network, captain, "Alice.test").to_string()));
    network.set(PROOF_PATH, Reply::Body(format!("{captain}\n")));
    let before = page(&hold).await;
    assert!(!before.contains("alice") && before.contains(captain.as_str()), "{before}");
    network.release();
    let known = page_with(&hold, "@alice.test</a>").await;
    assert!(known.contains("<a href=\"https://bsky.app/profile/alice.test\">") && known.contains(captain.as_str()));
    let asked = network.requests();
    page(&hold).await;
    assert_eq!(network.requests(), asked, "it is remembered");
}

#[tokio::test]
async fn only_the_domain_of_a_handle_can_prove_it() {
    let network = DidServer::start().await;
    let (alice, other) = (plc(1), plc(2));
    let proven = async || network.resolver().proven_handle(&alice, Pool::Members).await;
    network.publish(&alice, &claim(&network, &alice, "alice.test"));
    assert_eq!(proven().await, Ok(None), "nothing is there");
    for body in [other.to_string(), String::new(), format!("{alice} {other}"), alice.to_string().to_uppercase()] {
        network.set(PROOF_PATH, Reply::Body(body));
        assert_eq!(proven().await, Ok(None));
    }
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n";
    network.set(PROOF_PATH, Reply::Raw(elsewhere.into()));
    assert_eq!(proven().await, Ok(None), "redirects are not followed");
    network.set(PROOF_PATH, Reply::Raw("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".into()));
    assert_eq!(proven().await, Err(ResolveError::Unreachable));
    network.set(PROOF_PATH, Reply::Body(alice.to_string()));
    assert_eq!(proven().await.unwrap().unwrap().as_str(), "alice.test");
    network.publish(&alice, &{
        let mut silent = document(&alice, 1);
        silent["alsoKnownAs"] = json!([]);
        silent
    });
    assert_eq!(proven().await, Ok(None), "none is claimed");
}

#[tokio::test]
async fn no_record_can_put_markup_into_it_or_turn_it_around() {
    let hostile = "</bdi></h1><script>alert(1)</script><img src=x onerror='alert(2)'>\"";
    let region = format!("{hostile}\u{202e}\u{200f}{}", "é".repeat(1000));
    let region = Value::from(region).to_string();
    let hold = Hold::start(&format!("region = {region}\n{PUBLIC}")).await;
    let record = json!({
        "$type": PROFILE, "displayName": hostile[..57], "description": format!("\u{2066}{hostile}\u{202d} {{{{did}}}}\n\u{0}"),
    });
    put_profile(&hold, record).await.ok();
    let page = page_with(&hold, "&lt;script&gt;").await;
    for part in ["<script", "<img src=x", "onerror='", "\u{202e}", "\u{202d}", "\u{2066}", "\u{0}"] {
        assert!(!page.contains(part), "{part:?} is in {page}");
    }
    let safe = "&lt;/bdi&gt;&lt;/h1&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;&quot;";
    assert!(page.contains(&format!("<p class=\"description\"><bdi>{safe} {{{{did}}}}</bdi></p>")), "{page}");
    assert!(page.contains(&format!("<dd><bdi>{safe}\u{200f}éé")) && page.contains("é…</bdi></dd>"), "{page}");
    assert_eq!((page.matches("<h1>").count(), page.matches("</h1>").count()), (1, 1));
}

#[tokio::test]
async fn a_profile_has_its_picture_and_a_name_that_nobody_sees_is_none() {
    let hold = Hold::start(PUBLIC).await;
    assert!(page(&hold).await.contains("<svg class=\"picture\""));
    let bytes: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";
    let call = hold.call("POST", "/xrpc/com.atproto.repo.uploadBlob").bearer(&hold.token(&hold.captain));
    let blob = call.header("content-type", "image/png").body(bytes).send().await.ok()["blob"].clone();
    put_profile(&hold, json!({ "$type": PROFILE, "displayName": "\u{200b}\u{2800} ", "avatar": blob })).await.ok();
    let page = page_with(&hold, "<img").await;
    assert!(page.contains(&format!("<h1><bdi>localhost:{}</bdi></h1>", hold.port)), "{page}");
    let source = page.split_once("<img class=\"picture\" src=\"").unwrap().1.split_once('"').unwrap().0;
    let picture = hold.get(&source.replace("&amp;", "&")).send().await;
    assert_eq!((picture.status, picture.header("content-type"), &picture.body[..]), (200, Some("image/png"), bytes));
}
