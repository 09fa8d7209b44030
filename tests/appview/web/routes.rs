//! Every address of pages and forms, whatever it is asked with: which methods there are, what each answer forbids browsers, and
//! where none leads.

use atcr_appview::web::ENDPOINTS;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::person::{HOST, Person};
use crate::oci::registry::{Registry, refused};
use crate::support::http::{Answer, raw};

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const READ: &str = "GET, HEAD";
const WRITTEN: &str = "POST";
const BOTH: &str = "GET, HEAD, POST";

/// An address of each endpoint, the endpoint's own name, and the methods that it has.
const ROUTES: [(&str, &str, &str); 33] = [
    ("/client-metadata.json", "/client-metadata.json", READ),
    ("/oauth/jwks.json", "/oauth/jwks.json", READ),
    ("/auth/oauth/login", "/auth/oauth/login", BOTH),
    ("/auth/oauth/callback", "/auth/oauth/callback", READ),
    ("/auth/logout", "/auth/logout", WRITTEN),
    ("/auth/device", "/auth/device", BOTH),
    ("/auth/device/revoke", "/auth/device/revoke", WRITTEN),
    ("/auth/device/code", "/auth/device/code", WRITTEN),
    ("/auth/device/token", "/auth/device/token", WRITTEN),
    ("/auth/device/end", "/auth/device/end", WRITTEN),
    ("/settings", "/settings", READ),
    ("/settings/hold", "/settings/hold", WRITTEN),
    ("/settings/session", "/settings/session", WRITTEN),
    ("/settings/data", "/settings/data", READ),
    ("/settings/delete", "/settings/delete", WRITTEN),
    ("/settings/repository", "/settings/repository", READ),
    ("/settings/repository/page", "/settings/repository/page", WRITTEN),
    ("/settings/repository/picture", "/settings/repository/picture", WRITTEN),
    ("/settings/repository/delete", "/settings/repository/delete", WRITTEN),
    ("/settings/webhooks?name=app", "/settings/webhooks", BOTH),
    ("/settings/webhook?id=1", "/settings/webhook", BOTH),
    ("/star", "/star", WRITTEN),
    ("/search", "/search", READ),
    ("/xrpc/io.atcr.appview.searchRepositories?q=a", "io.atcr.appview.searchRepositories", READ),
    ("/xrpc/io.atcr.appview.listRepositories", "io.atcr.appview.listRepositories", READ),
    ("/", "/", READ),
    ("/robots.txt", "/robots.txt", READ),
    ("/favicon.ico", "/favicon.ico", READ),
    ("/alice.test", "/*", READ),
    ("/alice.test/app", "/*/*", READ),
    ("/alice.test/app:v1", "/*/*:*", READ),
    ("/picture/alice.test", "/picture/*", READ),
    ("/nothing", "/**", READ),
];

/// What no answer goes without, whatever it is.
fn assert_guarded(what: &str, answer: &Answer) {
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') || policy.contains("http://localhost:*"),
        "{what}: {policy}"
    );
    assert!(matches!(answer.header("referrer-policy"), Some("same-origin" | "no-referrer")), "{what}");
    let kept = answer.header("cache-control").unwrap_or_default();
    let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    assert!(kept == "no-store" || !is_page && answer.header("set-cookie").is_none(), "{what}: {kept}");
}

#[tokio::test]
async fn every_endpoint_has_its_methods_and_says_so_of_others() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    for (name, _) in ENDPOINTS {
        assert!(ROUTES.iter().any(|(_, of, _)| *of == name), "{name} has no row in this table");
    }
    for (target, name, allowed) in ROUTES {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"] {
            for cookie in ["", person.cookie.as_str()] {
                let call = registry.call(method, target).header("host", HOST).header("cookie", cookie);
                let answer = call.header("accept", "text/html").send().await;
                let what = format!("{method} {target}");
                assert!(!matches!(answer.status, 500 | 502 | 504), "{what}: {}", answer.text());
                assert_guarded(&what, &answer);
                if allowed.split(", ").any(|of| of == method) {
                    assert_ne!(answer.status, 405, "{what} of {name}");
                } else {
                    assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{what} of {name}");
                }
            }
        }
    }
    assert!(person.open("/settings").await.text().contains("This browser"), "and nobody was signed out");
}

#[tokio::test]
async fn a_head_is_the_page_without_it_and_ranges_and_tags_of_strangers_change_nothing() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    for (target, _, allowed) in ROUTES {
        if allowed == WRITTEN || target == "/settings/data" {
            continue;
        }
        let call = |method| registry.call(method, target).header("host", HOST).header("cookie", &person.cookie);
        let page = call("GET").header("accept", "text/html").send().await;
        let head = call("HEAD").header("accept", "text/html").send().await;
        assert_eq!((head.status, head.body.len()), (page.status, 0), "{target}");
        assert_eq!(head.lasting_headers(), page.lasting_headers(), "{target}");
        for (name, value) in [
            ("range", "bytes=0-1"),
            ("range", "bytes=-1,0-,5-2"),
            ("range", "lines=1"),
            ("if-range", "\"x\""),
            ("if-none-match", "*"),
            ("if-none-match", "\"x\", W/\"\", garbage"),
            ("if-match", "\"x\""),
            ("if-modified-since", "yesterday"),
            ("expect", "x"),
            ("x-http-method-override", "DELETE"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "host=evil.example"),
        ] {
            let other = call("GET").header("accept", "text/html").header(name, value).send().await;
            assert!(matches!(other.status, 417) && name == "expect" || other.status == page.status, "{target} {name}");
            assert!(!other.text().contains("evil.example"), "{target} {name}");
        }
    }
}

/// Places of a stranger, as somebody would write them who wants them taken for ours.
const PLACES: [&str; 22] = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%5cevil.example",
    "%2f%2fevil.example",
    "%252f%252fevil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "https://127.0.0.1:5000@evil.example",
    "https://127.0.0.1:5000.evil.example",
    "%09//evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "%20https://evil.example",
    "/..//evil.example",
    "/./%2e%2e//evil.example",
    "javascript:location='//evil.example'",
    "/%e3%80%82evil.example",
    "%0d%0aLocation:%20https://evil.example%0d%0aX-Evil:%201%0d%0a%0d%0a",
];
const PLACE_NAMES: [&str; 13] = [
    "return",
    "return_to",
    "redirect",
    "redirect_uri",
    "next",
    "url",
    "continue",
    "goto",
    "back",
    "to",
    "rd",
    "state",
    "iss",
];

/// That an answer leads nowhere but to this registry.
fn assert_leads_nowhere(what: &str, answer: &Answer) {
    assert!(answer.status < 500, "{what}: {}", answer.status);
    assert_eq!(answer.header("x-evil"), None, "{what}");
    if let Some(place) = answer.header("location") {
        let rest = place.strip_prefix("http://127.0.0.1:5000").unwrap_or(place);
        assert!(rest.starts_with('/') && !rest.starts_with("//") && !rest.starts_with("/\\"), "{what}: {place}");
    }
    for attribute in ["href=\"", "action=\"", "src=\"", "content=\"0;"] {
        for (at, _) in answer.text().match_indices(attribute) {
            let value = answer.text()[at + attribute.len()..].split('"').next().unwrap();
            let is_ours = value.starts_with(['/', '#']) && !value.starts_with("//");
            assert!(is_ours || value == "https://atproto.com", "{what}: {attribute}{value}");
        }
    }
}

#[tokio::test]
async fn no_page_leads_where_a_parameter_says() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let pages =
        ["/", "/auth/oauth/login", "/auth/oauth/callback", "/auth/device", "/settings", "/alice.test", "/nothing"];
    for page in pages {
        // All names at once, and each place with them.
        for place in PLACES {
            let query: Vec<String> = PLACE_NAMES.iter().map(|name| format!("{name}={place}")).collect();
            let target = format!("{page}?{}", query.join("&"));
            let call = registry.call("GET", &target).header("host", HOST).header("cookie", &person.cookie);
            let answer = call.header("accept", "text/html").send().await;
            assert_leads_nowhere(&target, &answer);
            assert!(!answer.text().contains("evil.example"), "{target}: {}", answer.text());
        }
    }
    let token = person.form_token().await;
    for place in PLACES {
        let mut fields: Vec<(&str, &str)> = PLACE_NAMES.iter().map(|name| (*name, place)).collect();
        fields.push(("token", "wrong"));
        let refused = person.send("/auth/logout", &fields).await;
        assert_eq!(refused.status, 403);
        assert_leads_nowhere(place, &refused);
    }
    let long = "/".to_owned() + &"x".repeat(7000);
    let ended = person.send("/auth/logout", &[("token", &token), ("return", &long), ("next", "//evil.example")]).await;
    assert_eq!((ended.status, ended.header("location")), (303, Some("/auth/oauth/login")));
}

#[tokio::test]
async fn no_path_leads_elsewhere_and_none_climbs() {
    let registry = Registry::start(NONE).await;
    for path in [
        "//evil.example",
        "//evil.example/",
        "///evil.example/app",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example/app",
        "/@evil.example@127.0.0.1",
        "/@@evil.example",
        "/https://evil.example",
        "/https:evil.example",
        "/alice.test//evil.example",
        "/alice.test/../../etc/passwd",
        "/alice.test/%2e%2e/%2e%2e/etc/passwd",
        "/picture/..%2f..%2fetc/passwd",
        "/picture//evil.example",
        "/picture/https://evil.example",
        "/settings/../alice.test",
        "/alice.test/app:%0d%0aX-Evil:1",
        "/alice.test/app%00",
        "/alice.test/app@sha256:%0a",
        "/did:web:evil.example%2fapp",
        "/..;/settings",
        "/alice.test;x=y",
        "/\u{feff}alice.test",
    ] {
        for host in [HOST, "evil.example", "127.0.0.1:5000@evil.example", "evil.example:5000"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
            let answer = raw(registry.port, request).await;
            let status: u16 = answer.split(' ').nth(1).unwrap_or("400").parse().unwrap();
            assert!(matches!(status, 303 | 400 | 404), "{path} at {host}: {answer}");
            assert!(!answer.to_lowercase().contains("\r\nx-evil"), "{path} at {host}: {answer}");
            let place =
                answer.lines().find_map(|line| line.to_lowercase().strip_prefix("location: ").map(str::to_owned));
            let leads_here = place.as_ref().is_none_or(|place| {
                let rest = place.strip_prefix("http://127.0.0.1:5000").unwrap_or(place);
                // On one's own machine another host is led to the right one, by the same path.
                rest.starts_with('/') && (place.starts_with("http") || !rest.starts_with("//"))
            });
            assert!(leads_here, "{path} at {host}: {place:?}");
        }
    }
}

#[tokio::test]
async fn whatever_a_query_is_it_is_answered_or_refused() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let mut person = Person::of(&registry);
    person.sign_in().await;
    let long = format!("x={}", "y".repeat(7000));
    let many = "a&".repeat(3000);
    for query in [
        "%",
        "%zz=%zz",
        "%00=%00",
        "=",
        "&&&&",
        "a=%ff%fe",
        "user_code=%00",
        "user_code=A%00B",
        "user_code=%f0%9f%98%80",
        "handle=%e2%80%ae%e2%80%8b&handle=x",
        "page=-1",
        "page=99999999999999999999999",
        "page=%00",
        "name=../../x",
        "name=%00",
        "q=%00&sort=%00&after=%00",
        "q=%22%27%60%3cscript%3e&after=AAAA",
        "cursor=%ff&limit=-1",
        "state=%00&iss=%ff&code=%0a",
        long.as_str(),
        many.as_str(),
    ] {
        for (target, _, allowed) in ROUTES.iter().filter(|(_, _, allowed)| *allowed != WRITTEN) {
            let target = format!("{}?{query}", target.split('?').next().unwrap());
            let call = registry.call("GET", &target).header("host", HOST).header("cookie", &person.cookie);
            let answer = call.header("accept", "text/html").send().await;
            // Alice's server has nothing at all: a picture cannot be looked up.
            let is_said = matches!(answer.status, 200 | 303 | 400 | 404 | 429);
            let is_unknown = answer.status == 503 && target.starts_with("/picture/");
            assert!(is_said || is_unknown, "{target:.200} {allowed}: {}", answer.status);
            assert!(!answer.text().contains("<script>alert") && !answer.text().contains('\u{202e}'), "{target:.200}");
        }
    }
    // More than a head may have is refused before anything looks at it.
    let huge = format!("/search?q={}", "y".repeat(200_000));
    let answer = raw(registry.port, format!("GET {huge} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("x-frame-options: DENY"), "{answer:.400}");
}

#[tokio::test]
async fn who_finds_no_place_or_no_way_in_is_told_so_by_an_answer_that_is_guarded() {
    let registry = Registry::start(NONE).await;
    // Forms that never come whole have all places of an address, and all of the queue before them.
    let head = format!("POST /auth/device/end HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\n");
    let mut unfinished = Vec::new();
    for _ in 0..8 + 256 {
        let mut stream = TcpStream::connect(("127.0.0.1", registry.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    let page = registry.call("GET", "/settings").header("host", HOST).send().await;
    assert_eq!((page.status, page.header("retry-after")), (429, Some("5")), "{}", page.text());
    assert!(page.text().contains("<html"), "a page for people");
    let program = registry.call("POST", "/auth/device/token").send().await;
    assert_eq!((program.status, program.field("error").as_str()), (429, "slow_down"));
    let token = registry.get("/auth/token?service=localhost:5000").await;
    refused(&token, 429, "TOOMANYREQUESTS");
    let nobody = registry.get("/v2/").await;
    refused(&nobody, 401, "UNAUTHORIZED");
    for (what, answer) in [("a page", page), ("a program", program), ("a token", token), ("nobody", nobody)] {
        assert_guarded(what, &answer);
    }
    let home = registry.call("GET", "/").header("host", HOST).send().await;
    assert_eq!(home.status, 200, "pages that anybody may read have a queue of their own");
}
