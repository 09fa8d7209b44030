//! What accounts and their servers make of a page: records that say anything, and servers that answer anyhow. The page is
//! there, within its time and of its size, and what is not good is left out.

use std::sync::atomic::Ordering;

use atproto::repo::cid;
use atproto::syntax::Digest;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::person::{HOST, status};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::did_server::Reply;
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const GET: &str = "/xrpc/com.atproto.repo.getRecord?";
const LIST: &str = "/xrpc/com.atproto.repo.listRecords?";
const BLOB: &str = "/xrpc/com.atproto.sync.getBlob?";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
/// The beginning of a PNG, and a script behind it.
const POLYGLOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0<script>alert(1)</script>";

fn manifest(annotations: &Value, artifact_type: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [],
        "artifactType": artifact_type, "annotations": annotations,
    })
    .to_string()
}

/// What an account of the test has, by the paths under which its server gives it.
struct Account<'r> {
    registry: &'r Registry,
    did: String,
}

impl<'r> Account<'r> {
    fn of(registry: &'r Registry) -> Self {
        Self { registry, did: registry.alice.as_str().replace(':', "%3A") }
    }

    fn record_path(&self, collection: &str, key: &str) -> String {
        format!("{GET}repo={}&collection={collection}&rkey={key}", self.did)
    }

    fn list_path(&self, collection: &str) -> String {
        format!("{LIST}repo={}&collection={collection}&limit=100", self.did)
    }

    fn blob_path(&self, bytes: &[u8]) -> String {
        format!("{BLOB}did={}&cid={}", self.did, cid::raw_of(bytes))
    }

    fn has_record(&self, collection: &str, key: &str, value: &Value) {
        let uri = format!("at://{}/{collection}/{key}", self.registry.alice);
        self.registry.says(&self.record_path(collection, key), &json!({ "uri": uri, "cid": "b", "value": value }));
    }

    fn has_list(&self, collection: &str, records: &[(String, Value)]) {
        let view = |(key, value): &(String, Value)| json!({ "uri": format!("at://{}/{collection}/{key}", self.registry.alice), "cid": "b", "value": value });
        let records: Vec<_> = records.iter().map(view).collect();
        self.registry.says(&self.list_path(collection), &json!({ "records": records }));
    }

    /// An image `app:v1` whose manifest has these bytes, and what else there is of tags.
    fn has_image(&self, manifest: &str, more_tags: Vec<(String, Value)>) -> Digest {
        let digest = Digest::from_bytes(sha2::Sha256::digest(manifest).into());
        let record = json!({ "repository": "app", "digest": digest, "createdAt": "9999-12-31T23:59:59.999Z" });
        self.has_list("io.atcr.manifest", &[(digest.hex(), record)]);
        let uri = format!("at://{}/io.atcr.manifest/{}", self.registry.alice, digest.hex());
        let tag = json!({ "repository": "app", "tag": "v1", "manifest": uri, "updatedAt": "9999-12-31T23:59:59.999Z" });
        let tags: Vec<_> = std::iter::once(("app_v1".to_owned(), tag)).chain(more_tags).collect();
        self.has_list("io.atcr.tag", &tags);
        self.registry.network.set(&self.blob_path(manifest.as_bytes()), Reply::Body(manifest.to_owned()));
        digest
    }

    fn picture(bytes: &[u8], media_type: &str) -> Value {
        let link = cid::raw_of(bytes).to_string();
        json!({ "$type": "blob", "ref": { "$link": link }, "mimeType": media_type, "size": bytes.len() })
    }

    async fn page(&self, path: &str) -> Answer {
        self.registry.call("GET", path).header("host", HOST).header("accept", "text/html").send().await
    }

    /// A page of what is there in time: a busy machine may want more than one attempt.
    async fn whole_page(&self, path: &str) -> Answer {
        for _ in 0..10 {
            let page = self.page(path).await;
            if !matches!(page.status, 503 | 504) {
                return page;
            }
        }
        self.page(path).await
    }
}

/// That a page has no element, attribute or address that its owner wrote, and nothing that turns text around.
fn assert_inert(what: &str, page: &Answer) {
    let text = page.text();
    let body = text.split("</style>").nth(1).unwrap_or(text);
    for bad in [
        "<img src=x",
        "onerror=",
        "onload=\"",
        "<svg xmlns",
        "<iframe",
        "href=\"javascript",
        "href=\"data",
        "<base",
        "<meta http-equiv",
    ] {
        for (at, _) in body.match_indices(bad) {
            // As text it is nothing: then what stands before is no beginning of an element, and no address.
            let before = &body[..at];
            let is_in_tag = before.rfind('<').is_some_and(|open| before.rfind('>').is_none_or(|close| close < open));
            assert!(!is_in_tag && !bad.starts_with('<'), "{what}: {bad}: {}", &body[at.saturating_sub(100)..at]);
        }
    }
    assert!(body.matches("<script>").count() <= 1 && !body.contains("<script>alert"), "{what}: {body}");
    assert!(!text.contains(['\u{202e}', '\u{2066}', '\0', '\u{1b}']), "{what}: {text}");
}

/// What an owner may write wherever there is text.
const TEXTS: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style><svg xmlns=x onload=\"alert(1)\">",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u{202e}gpj.exe\u{2066}\u{0}\u{1b}[31m",
    "&#106;avascript:alert(1) &lt;script&gt;",
    "{{ frame.style|safe }} {% raw %} ${7*7}",
];

#[tokio::test]
async fn what_an_owner_writes_is_text_wherever_it_is_shown() {
    let registry = Registry::start(NONE).await;
    let account = Account::of(&registry);
    for (number, text) in TEXTS.iter().enumerate() {
        let (registry, long) = (Registry::start(NONE).await, text.repeat(3000 / text.len()));
        let account = Account { registry: &registry, did: account.did.clone() };
        let names = [
            "org.opencontainers.image.url",
            "org.opencontainers.image.source",
            "org.opencontainers.image.description",
            text,
        ];
        let annotations: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!(text))).collect();
        let bytes = manifest(&json!(annotations), &long);
        account.has_image(
            &bytes,
            vec![
                ("app_x".into(), json!({ "repository": "app", "tag": text, "manifest": "at://x" })),
                ("y".into(), json!({ "repository": text, "tag": "v1", "manifest": text, "updatedAt": text })),
                ("z".into(), json!({ "repository": "app", "tag": "v2", "manifestDigest": text, "createdAt": -1 })),
            ],
        );
        let avatar = Account::picture(SVG.as_bytes(), if number % 2 == 0 { "image/svg+xml" } else { "image/png" });
        let profile = json!({ "displayName": long, "description": long, "avatar": avatar });
        account.has_record("app.bsky.actor.profile", "self", &profile);
        let markdown = format!(
            "# {text}\n\n[{text}]({text}) ![{text}]({text})\n\n{text}\n\n```{text}\n{text}\n```\n\n| {text} |\n|--|\n| {text} |\n"
        );
        account.has_record("io.atcr.repo.page", "app", &json!({ "description": markdown, "avatar": avatar }));
        registry.network.set(&account.blob_path(SVG.as_bytes()), Reply::Body(SVG.into()));
        for path in ["/alice.test", "/alice.test/app", "/alice.test/app:v1", "/search?q=app"] {
            let page = account.whole_page(path).await;
            assert_eq!(page.status, 200, "{path} with {text}: {}", page.text());
            assert_inert(&format!("{path} with {text}"), &page);
            assert!(page.text().len() < 60_000, "{path}: {} bytes", page.text().len());
        }
        for path in ["/picture/alice.test", "/picture/alice.test/app"] {
            assert_eq!(account.page(path).await.status, 404, "{path}: an SVG is no picture, whatever it is called");
        }
        let page = account.page("/alice.test/app:v2").await;
        assert_eq!(page.status, 404, "{}", page.text());
    }
}

#[tokio::test]
async fn addresses_in_annotations_are_links_when_they_lead_to_another_site() {
    let registry = Registry::start(NONE).await;
    let account = Account::of(&registry);
    let urls = [
        ("https://example.org/a?b=c&d", true),
        ("HTTP://example.org", true),
        ("mailto:a@example.org", true),
        ("https://example.org/\"onclick=\"alert(1)", true),
        ("javascript:alert(1)", false),
        ("JaVaScRiPt:alert(1)//https://example.org", false),
        (" javascript:alert(1)", false),
        ("java\tscript:alert(1)", false),
        ("data:text/html;base64,PHNjcmlwdD4=", false),
        ("vbscript:x", false),
        ("//example.org", false),
        ("/settings", false),
        ("https://example.org/ a", false),
    ];
    let annotations: serde_json::Map<String, Value> =
        urls.iter().enumerate().map(|(number, (url, _))| (format!("url.{number}"), json!(url))).collect();
    account.has_image(&manifest(&json!(annotations), "application/x"), Vec::new());
    let page = account.page("/alice.test/app:v1").await;
    assert_inert("the page", &page);
    for (number, (url, is_link)) in urls.iter().enumerate() {
        let (_, rest) = page.text().split_once(&format!(">url.{number}<")).unwrap_or_else(|| panic!("{}", page.text()));
        let value = rest.split("</dd>").next().unwrap();
        assert_eq!(value.contains("<a href=\""), *is_link, "{url}: {value}");
        assert!(!is_link || value.contains("rel=\"nofollow ugc noopener\""), "{value}");
    }
}

#[tokio::test]
async fn lists_that_an_owner_makes_long_are_cut() {
    let registry = Registry::start(NONE).await;
    let account = Account::of(&registry);
    let layer = |number: usize| json!({ "mediaType": "x", "digest": format!("sha256:{number:064x}"), "size": 1 });
    let layers: Vec<_> = (0..6000).map(layer).collect();
    let image = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "m".repeat(100_000), "digest": format!("sha256:{:064x}", 1), "size": 1 }, "layers": layers,
    });
    let tags = (0..900).map(|number| {
        let digest = Digest::from_bytes(sha2::Sha256::digest(image.to_string()).into());
        let uri = format!("at://{}/io.atcr.manifest/{}", registry.alice, digest.hex());
        (format!("app_t{number}"), json!({ "repository": "app", "tag": format!("t{number}"), "manifest": uri }))
    });
    account.has_image(&image.to_string(), tags.collect());
    let page = account.page("/alice.test/app:v1").await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("Of each list the first 500 rows are shown."), "{}", page.text());
    assert_eq!(page.text().matches("<span class=\"soft layer\">").count(), 500);
    assert!(page.text().len() < 200_000, "{} bytes", page.text().len());
    assert!(account.page("/alice.test/app").await.text().len() < 60_000);
}

/// A picture is what its bytes are, whatever the server calls it, and has few enough pixels.
#[tokio::test]
async fn a_picture_is_served_as_a_picture_and_nothing_else() {
    let bomb = [&POLYGLOT[..16], &[0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10], &POLYGLOT[24..]].concat();
    for (what, bytes, named, served) in [
        ("a polyglot", POLYGLOT.to_vec(), "image/png", Some("image/png")),
        ("a PNG that is called a JPEG", POLYGLOT.to_vec(), "image/jpeg", Some("image/png")),
        ("a PNG that is called HTML", POLYGLOT.to_vec(), "text/html", None),
        ("a hundred million pixels", bomb, "image/png", None),
        ("HTML", b"<html><script>alert(1)</script>".to_vec(), "image/png", None),
        ("a GIF", b"GIF89a\x01\0\x01\0".to_vec(), "image/png", None),
        ("nothing", Vec::new(), "image/png", None),
        ("3 MB and more", [POLYGLOT, &vec![0; 3_100_000]].concat(), "image/png", None),
    ] {
        let registry = Registry::start(NONE).await;
        let account = Account::of(&registry);
        account.has_record("app.bsky.actor.profile", "self", &json!({ "avatar": Account::picture(&bytes, named) }));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: atcr=x\r\nContent-Disposition: inline\r\nConnection: close\r\n";
        let reply = match String::from_utf8(bytes.clone()) {
            Ok(text) => Reply::Raw(format!("{head}Content-Length: {}\r\n\r\n{text}", text.len())),
            Err(_) => Reply::Bytes(bytes.clone()),
        };
        registry.network.set(&account.blob_path(&bytes), reply);
        let answer = account.page("/picture/alice.test").await;
        assert_eq!(answer.status, if served.is_some() { 200 } else { 404 }, "{what}");
        assert_eq!(answer.header("set-cookie"), None, "{what}");
        let Some(kind) = served else { continue };
        assert_eq!((answer.header("content-type"), answer.body.as_ref()), (Some(kind), &bytes[..]), "{what}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.ends_with("sandbox"), "{what}: {policy}");
        assert_eq!(answer.header("content-disposition"), Some("inline; filename=\"picture\""), "{what}");
    }
}

/// What a server may answer instead of a record.
fn replies() -> Vec<(&'static str, Reply)> {
    let head = |more: &str, body: &str| {
        Reply::Raw(format!(
            "HTTP/1.1 200 OK\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ))
    };
    let redirect = |place: &str| status_with("302 Found", &format!("Location: {place}\r\n"));
    vec![
        ("10 MB", Reply::Body(json!({ "value": { "displayName": "x".repeat(10_000_000) } }).to_string())),
        (
            "10 MB of a list",
            Reply::Body(json!({ "records": vec![json!({ "value": "x".repeat(1000) }); 10_000] }).to_string()),
        ),
        (
            "10 MB without a length",
            Reply::Raw(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "{".repeat(10_000_000))),
        ),
        ("a drip", Reply::Stall("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".into())),
        ("a head that drips", Reply::Stall("HTTP/1.1 200 OK\r\nX: ".into())),
        ("silence", Reply::Stall("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into())),
        ("a redirect to this machine", redirect("http://127.0.0.1:1/secret")),
        ("a redirect to itself", redirect("/secret")),
        ("a redirect to metadata", redirect("http://169.254.169.254/latest/meta-data")),
        ("HTML", head("Content-Type: text/html\r\n", "<html><script>alert(1)</script>")),
        ("JSON called HTML", head("Content-Type: text/html\r\n", "{\"records\":[],\"value\":{}}")),
        ("deep JSON", Reply::Body("[".repeat(200_000))),
        ("deep JSON that ends", Reply::Body(format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)))),
        (
            "half a surrogate",
            Reply::Body("{\"uri\":\"\\ud800\",\"value\":{\"displayName\":\"\\udfff\"},\"records\":[]}".into()),
        ),
        ("no UTF-8", Reply::Bytes(b"{\"value\":{\"displayName\":\"\xff\xfe\"}}".to_vec())),
        (
            "the half of it",
            Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n{\"value\":".into()),
        ),
        ("null", Reply::Body("null".into())),
        ("numbers", Reply::Body("{\"records\":7,\"value\":1e999,\"cursor\":{}}".into())),
        ("a list that never ends", Reply::Body("{\"records\":[],\"cursor\":\"again\"}".into())),
        (
            "other types",
            Reply::Body(
                "{\"uri\":[],\"value\":[],\"records\":[null,7,{\"uri\":7},{\"uri\":\"at://x\",\"value\":null}]}".into(),
            ),
        ),
        ("nothing", head("", "")),
        ("a fault", status("500 X", "<script>alert(1)</script>")),
        ("a fault with words", status("400 X", "{\"error\":\"<b>\",\"message\":\"\\u202e<script>alert(1)</script>\"}")),
        ("no HTTP", Reply::Raw("SSH-2.0-x\r\n".into())),
        ("headers without end", Reply::Raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(1_000_000)))),
        ("two lengths", Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".into())),
    ]
}

/// An answer without a body, with these headers.
fn status_with(line: &str, headers: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"))
}

#[tokio::test]
async fn a_server_that_answers_anyhow_makes_a_small_page_within_its_time() {
    let bytes = manifest(&json!({}), "");
    let cases = replies().into_iter().map(|(what, reply)| {
        let bytes = &bytes;
        async move {
            let registry = Registry::start(NONE).await;
            registry.network.shared.drips.store(what.contains("drip"), Ordering::Relaxed);
            let account = Account::of(&registry);
            let digest = account.has_image(bytes, Vec::new());
            // Who it is, is known before: on a busy machine that takes time, too.
            assert_eq!(account.whole_page("/alice.test/other").await.status, 404, "{what}");
            let proof = format!(
                "/xrpc/com.atproto.sync.getRecord?did={}&collection=io.atcr.manifest&rkey={}",
                account.did,
                digest.hex()
            );
            for path in [
                account.record_path("app.bsky.actor.profile", "self"),
                account.record_path("io.atcr.repo.page", "app"),
                proof,
                account.blob_path(bytes.as_bytes()),
            ] {
                registry.network.set(&path, reply.clone());
            }
            for (path, statuses) in [
                ("/alice.test", &[200][..]),
                ("/alice.test/app", &[200]),
                ("/alice.test/app:v1", &[404, 502, 503]),
                ("/picture/alice.test", &[404, 503]),
            ] {
                let page = account.page(path).await;
                assert!(statuses.contains(&page.status), "{path}, {what}: {} {}", page.status, page.text());
                assert!(page.text().len() < 40_000, "{path}, {what}: {} bytes", page.text().len());
                assert_inert(&format!("{path}, {what}"), &page);
            }
            // Now the lists themselves, which nobody has looked at yet under the other name.
            let registry = Registry::start(NONE).await;
            registry.network.shared.drips.store(what.contains("drip"), Ordering::Relaxed);
            let account = Account::of(&registry);
            for collection in ["io.atcr.tag", "io.atcr.manifest"] {
                registry.network.set(&account.list_path(collection), reply.clone());
            }
            for path in ["/alice.test", "/alice.test/app", "/alice.test/app:v1"] {
                let page = account.page(path).await;
                assert!(matches!(page.status, 200 | 404 | 502 | 503), "{path}, {what}: {}", page.status);
                assert!(page.text().len() < 40_000, "{path}, {what}");
                assert_inert(&format!("{path}, lists: {what}"), &page);
            }
            assert_eq!(registry.network.requests_of("/secret"), 0, "{what}: no redirect is followed");
        }
    });
    futures_util::stream::iter(cases).buffer_unordered(8).collect::<Vec<()>>().await;
}
