//! Every form, with each of its fields wrong in every way: it is refused with the right status, a sentence, and nothing done.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::person::{HOST, Person, form_token};
use crate::asked::Asked as _;
use crate::oci::registry::Registry;
use crate::support::http::Answer;

const NONE: [(&str, &str); 1] = [("UNRELATED", "1")];
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const OTHERS: &str = "did%3Aplc%3Aaaaaaaaaaaaaaaaaaaaaaaac";

/// A form and a field that it must have, besides the token. `TOKEN` stands for that of the browser.
struct Form {
    path: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

const FORMS: [Form; 12] = [
    Form { path: "/auth/oauth/login", fields: &[("token", "TOKEN"), ("handle", "alice.test")] },
    Form { path: "/auth/device", fields: &[("token", "TOKEN"), ("user_code", "BCDF-GHJK"), ("decision", "allow")] },
    Form { path: "/auth/device/revoke", fields: &[("token", "TOKEN"), ("device", "1")] },
    Form { path: "/settings/hold", fields: &[("token", "TOKEN"), ("hold", "did:web:hold.example")] },
    Form { path: "/settings/session", fields: &[("token", "TOKEN"), ("session", "00")] },
    Form { path: "/settings/repository/page", fields: &[("token", "TOKEN"), ("name", "team/app")] },
    Form {
        path: "/settings/repository/delete",
        fields: &[("token", "TOKEN"), ("name", "team/app"), ("reference", "v1"), ("sure", "")],
    },
    Form {
        path: "/settings/webhooks",
        fields: &[("token", "TOKEN"), ("name", "team/app"), ("url", "https://hooks.example.org")],
    },
    Form { path: "/settings/webhook", fields: &[("token", "TOKEN"), ("id", "1"), ("do", "test")] },
    Form { path: "/star", fields: &[("token", "TOKEN"), ("owner", OTHERS), ("name", "app"), ("star", "give")] },
    Form { path: "/auth/device/token", fields: &[("grant_type", GRANT), ("device_code", "guess")] },
    Form { path: "/auth/device/end", fields: &[("token", "atcr_device_guess")] },
];

/// What stands in place of a field, written as it is sent; `None`: the field is missing.
fn mistakes() -> Vec<(&'static str, Option<String>)> {
    vec![
        ("missing", None),
        ("empty", Some("F=".into())),
        ("without a value", Some("F".into())),
        ("twice", Some("F=V&F=V".into())),
        ("twice, once empty", Some("F=&F=V".into())),
        ("in another case", Some("f%20=V".into())),
        ("as a list", Some("F%5B%5D=V".into())),
        ("NUL", Some("F=%00".into())),
        ("NUL behind it", Some("F=V%00".into())),
        ("a line end behind it", Some("F=V%0d%0aX-Evil:%201".into())),
        ("no UTF-8", Some("F=V%ff".into())),
        ("half of a character", Some("F=%e2%82".into())),
        ("a surrogate", Some("F=%ed%a0%80".into())),
        ("overlong", Some("F=%c0%af".into())),
        ("percent garbage", Some("F=%zz%".into())),
        ("turned around", Some("F=V%e2%80%aeV".into())),
        ("invisible", Some("F=V%e2%80%8b".into())),
        ("a climb", Some("F=../../../V".into())),
        ("HTML", Some("F=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".into())),
        ("SQL", Some("F='%20OR%201=1--".into())),
        ("JSON", Some("F=%7B%22%24ne%22:1%7D".into())),
        ("very long", Some(format!("F={}", "V".repeat(1024 * 1024)))),
        ("long", Some(format!("F={}", "V".repeat(9000)))),
    ]
}

/// A form as it is sent, with one field as it should not be.
fn body(form: &Form, token: &str, wrong: &str, how: Option<&str>) -> String {
    let fields = form.fields.iter().filter_map(|(name, value)| {
        let value = if *value == "TOKEN" { token } else { value };
        match how {
            _ if *name != wrong => Some(format!("{name}={value}")),
            None => None,
            Some(how) => Some(how.replace('F', name).replace('V', value)),
        }
    });
    fields.collect::<Vec<_>>().join("&")
}

async fn send(person: &Person<'_>, path: &str, kind: &str, body: impl Into<bytes::Bytes>) -> Answer {
    let call = person.registry.call("POST", path).header("host", HOST).header("cookie", &person.cookie);
    call.header("content-type", kind).body(body).send().await
}

/// That a refusal is one: for people a page with a sentence, for programs JSON.
fn assert_refused(what: &str, answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    let text = answer.text();
    let is_page = text.contains("role=\"alert\"");
    assert!(
        is_page || answer.json()["error_description"].as_str().is_some_and(|text| text.len() > 10),
        "{what}: {text}"
    );
    assert!(!text.contains("<script>") && !text.contains('\u{202e}') && !text.contains('\0'), "{what}: {text}");
    assert!(answer.header("location").is_none() && answer.header("x-evil").is_none(), "{what}");
}

/// Somebody who signed in by OAuth, and the token of forms.
async fn signed_in(registry: &Registry) -> (Person<'_>, String) {
    registry.has_oauth();
    let mut person = Person::of(registry);
    person.sign_in().await;
    let token = form_token(&person.open("/settings").await);
    (person, token)
}

/// How often others were asked to change anything.
fn changes(registry: &Registry) -> usize {
    ["putRecord", "createRecord", "deleteRecord", "applyWrites", "uploadBlob"]
        .iter()
        .map(|method| registry.network.requests_of(&format!("/xrpc/com.atproto.repo.{method}")))
        .sum::<usize>()
        + registry.network.requests_of("/oauth/par")
}

#[tokio::test]
async fn a_field_that_is_wrong_is_refused_and_nothing_is_done() {
    let registry = Registry::start(NONE).await;
    let (mut person, token) = signed_in(&registry).await;
    let before = changes(&registry);
    for form in &FORMS {
        for (field, _) in form.fields {
            for (how, mistake) in mistakes() {
                let what = format!("{} with {field} {how}", form.path);
                let answer = send(&person, form.path, FORM, body(form, &token, field, mistake.as_deref())).await;
                let is_code = *field == "user_code" && matches!(how, "twice" | "invisible");
                let statuses: &[u16] = match *field {
                    // A secret that is none is given back all the same; a question that is asked again is none.
                    "token" if form.path == "/auth/device/end" => &[200, 400],
                    "token" => &[400, 403],
                    "sure" => &[200, 400],
                    // What shows nothing is no part of the name of a host.
                    "url" if how == "invisible" => &[200, 400],
                    // There is no such webhook.
                    "id" | "do" => &[400, 404],
                    _ if is_code => &[400, 429],
                    _ => &[400],
                };
                if answer.status == 200 {
                    assert!(statuses.contains(&200), "{what}: {}", answer.text());
                    continue;
                }
                assert_refused(&what, &answer, statuses);
            }
        }
    }
    assert_eq!(changes(&registry), before, "nothing was asked of anybody");
    assert!(person.open("/settings").await.text().contains("This browser"), "and nobody was signed out");
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let registry = Registry::start(NONE).await;
    let (mut person, token) = signed_in(&registry).await;
    let before = changes(&registry);
    let forms = FORMS.iter().map(|form| (form.path, body(form, &token, "", None)));
    let others = [("/auth/logout", format!("token={token}")), ("/settings/delete", format!("token={token}&sure=yes"))];
    for (path, fields) in forms.chain(others) {
        for kind in [
            "application/json",
            "text/plain",
            "text/plain; charset=utf-8; application/x-www-form-urlencoded",
            "application/xml",
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "application/x-www-form-urlencoded-not",
            "",
        ] {
            let answer = send(&person, path, kind, fields.clone()).await;
            assert_refused(&format!("{path} as {kind}"), &answer, &[415]);
        }
        let answer = send(&person, path, "application/json", "{\"token\":\"x\"}").await;
        assert_refused(path, &answer, &[415]);
    }
    for kind in ["", FORM, "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b"] {
        let answer = send(&person, "/settings/repository/picture", kind, "--b--").await;
        assert_refused(kind, &answer, &[400, 415]);
    }
    assert_eq!(changes(&registry), before);
    assert!(person.open("/settings").await.text().contains("This browser"));
    // Written otherwise, it is the same kind.
    for kind in ["Application/X-WWW-Form-Urlencoded", "application/x-www-form-urlencoded ; charset=UTF-8"] {
        assert_eq!(send(&person, "/auth/device/code", kind, "client_id=x").await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn of_one_account_two_pictures_are_received_at_once() {
    let registry = Registry::start(NONE).await;
    let (person, _) = signed_in(&registry).await;
    let path = "/settings/repository/picture";
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", registry.port)).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: http://{HOST}\r\nCookie: {}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
            person.cookie
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // That its body is wanted says that it is inside.
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 100");
        slow.push(stream);
    }
    let third = send(&person, path, "multipart/form-data; boundary=b", "--b--").await;
    assert_refused("a third one", &third, &[429]);
    assert!(third.text().contains("when they are saved"), "{}", third.text());
    drop(slow.pop());
    while send(&person, path, "multipart/form-data; boundary=b", "--b--").await.status == 429 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_form_with_a_file_that_is_broken_is_refused() {
    let registry = Registry::start(NONE).await;
    let (person, token) = signed_in(&registry).await;
    let before = changes(&registry);
    let part =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let file = |bytes: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"../../p\"\r\nContent-Type: text/html\r\n\r\n{bytes}\r\n"
        )
    };
    let fields = part("token", &token) + &part("name", "team/app");
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    let bomb = "RIFF1234WEBPVP8X\n\0\0\0\0\0\0\0\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}";
    let many = part("x", "y").repeat(40);
    for (what, body, status) in [
        ("nothing", String::new(), 400),
        ("no end", fields.clone(), 400),
        ("only the end", "--b--\r\n".into(), 400),
        ("no token", part("name", "team/app") + &file(bomb) + "--b--\r\n", 403),
        ("two tokens", part("token", &token) + &fields + &file(bomb) + "--b--\r\n", 403),
        ("no file, which would take the picture away", fields.clone() + "--b--\r\n", 400),
        ("no name", part("token", &token) + &file(bomb) + "--b--\r\n", 400),
        ("a name that climbs", part("token", &token) + &part("name", "../x") + &file(bomb) + "--b--\r\n", 400),
        ("two files", fields.clone() + &file(bomb) + &file(bomb) + "--b--\r\n", 400),
        ("an SVG", fields.clone() + &file(svg) + "--b--\r\n", 400),
        ("HTML", fields.clone() + &file("<html><script>alert(1)</script>") + "--b--\r\n", 400),
        ("a GIF that is a script", fields.clone() + &file("GIF89a/*<script>*/=1;alert(1)") + "--b--\r\n", 400),
        ("two thousand million pixels", fields.clone() + &file(bomb) + "--b--\r\n", 400),
        ("a head of a part that is long", format!("--b\r\nX: {}\r\n\r\ny\r\n--b--\r\n", "x".repeat(3000)), 403),
        ("a part without a head", "--b\r\n\r\nx\r\n--b--\r\n".into(), 403),
        ("many parts", many.clone() + "--b--\r\n", 403),
        ("a longer end", fields.clone() + "--bb--\r\n", 400),
    ] {
        let answer = send(&person, "/settings/repository/picture", "multipart/form-data; boundary=b", body).await;
        assert_refused(what, &answer, &[status, 400]);
    }
    let picture = file("RIFF1234WEBPVP8X\n\0\0\0\0\0\0\0\x07\0\0\x07\0\0");
    let no_text = b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\xff\xfe\r\n--b--\r\n";
    let no_text = [fields.as_bytes(), picture.as_bytes(), no_text].concat();
    let answer = send(&person, "/settings/repository/picture", "multipart/form-data; boundary=b", no_text).await;
    assert_refused("no UTF-8", &answer, &[400]);
    assert_eq!(changes(&registry), before, "nothing was asked of anybody");
}

#[tokio::test]
async fn nobody_is_signed_out_or_in_by_others() {
    let registry = Registry::start(NONE).await;
    registry.has_oauth();
    let (mut one, mut other) = (Person::of(&registry), Person::of(&registry));
    one.sign_in().await;
    other.sign_in().await;
    let (mine, others) = (form_token(&one.open("/settings").await), form_token(&other.open("/settings").await));
    assert_eq!(one.open("/auth/logout").await.status, 405, "a link signs nobody out");
    for token in ["", "x", &others, &mine.to_lowercase()] {
        assert_eq!(one.send("/auth/logout", &[("token", token)]).await.status, 403);
    }
    assert_eq!(one.send(&format!("/auth/logout?token={mine}"), &[]).await.status, 403, "nor one with the token in it");
    let before = one.cookie.clone();
    let page = one.open("/settings").await;
    assert_eq!(page.header("cache-control"), Some("no-store"), "no page comes back by the button");
    let ended = one.send("/auth/logout", &[("token", &mine)]).await;
    assert_eq!((ended.status, ended.header("location")), (303, Some("/auth/oauth/login")));
    let cookie = ended.header("set-cookie").unwrap();
    assert!(cookie.starts_with("atcr=;") && cookie.contains("Max-Age=0") && cookie.contains("HttpOnly"), "{cookie}");
    // Who kept the cookie has nothing of it.
    one.cookie = before.clone();
    for path in ["/settings", "/settings/data", "/auth/device"] {
        assert!(one.open(path).await.text().contains("Your handle"), "{path}");
    }
    one.cookie = before;
    assert_eq!(one.send("/settings/session", &[("token", &mine), ("session", "00")]).await.status, 403);
    assert!(other.open("/settings").await.text().contains("This browser"), "other sessions go on");
    // A cookie that a stranger set beforehand is another one after the sign-in, and stays nobody's.
    let mut fixed = Person::of(&registry);
    fixed.form_token().await;
    let set_beforehand = fixed.cookie.clone();
    fixed.sign_in().await;
    assert_ne!(fixed.cookie, set_beforehand);
    let mut stranger = Person::of(&registry);
    stranger.cookie = set_beforehand;
    assert!(stranger.open("/settings").await.text().contains("Your handle"));
    // One that is no cookie of ours is not taken.
    for cookie in ["atcr=", "atcr=x", "atcr=AAAA", &format!("atcr={}", "A".repeat(5000)), "atcr=a; atcr=b"] {
        stranger.cookie = (*cookie).to_owned();
        let page = stranger.open("/auth/oauth/login").await;
        assert!(page.header("set-cookie").is_some_and(|line| !line.starts_with(&format!("{cookie};"))), "{cookie:.40}");
    }
}
