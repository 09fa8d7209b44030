//! Who may call what: every row of the endpoint table against the permission matrix, on a public and a private hold.

use atcr_hold::api::{Access, endpoints};
use atproto::lexicon::nsid::{self, METHODS, Method};
use server::xrpc::Verbs;

use crate::support::hold::{Account, Answer, Call, Hold, NO_TOKEN, PRIVATE, PUBLIC};

/// No file has this digest.
const ABSENT: &str = "sha256:7777777777777777777777777777777777777777777777777777777777777777";

/// Every path, its HTTP methods, who may call it, and the answer to a call without parameters and with a body that
/// no method takes, from one who may. A row of the hold's table that is not here fails the test.
const EXPECTED: &[(&str, Verbs, Access, u16, &str)] = &[
    ("/", Verbs::Get, Access::Open, 200, ""),
    ("/.well-known/did.json", Verbs::Get, Access::Open, 200, ""),
    ("/.well-known/atproto-did", Verbs::Get, Access::Open, 200, ""),
    ("/blobs/", Verbs::Get, Access::SignedRead, 403, "InvalidSignedUrl"),
    ("_health", Verbs::Get, Access::Open, 200, ""),
    ("com.atproto.server.describeServer", Verbs::Get, Access::Open, 200, ""),
    ("com.atproto.identity.resolveHandle", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("app.bsky.actor.getProfile", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("app.bsky.actor.getProfiles", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.repo.describeRepo", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.repo.getRecord", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.repo.listRecords", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.repo.createRecord", Verbs::Post, Access::Admin, 415, "InvalidContentType"),
    ("com.atproto.repo.putRecord", Verbs::Post, Access::Admin, 415, "InvalidContentType"),
    ("com.atproto.repo.deleteRecord", Verbs::Post, Access::Admin, 415, "InvalidContentType"),
    ("com.atproto.repo.applyWrites", Verbs::Post, Access::Admin, 415, "InvalidContentType"),
    ("com.atproto.repo.uploadBlob", Verbs::Post, Access::Admin, 200, ""),
    ("com.atproto.sync.getBlob", Verbs::Get, Access::Blob, 400, "InvalidRequest"),
    ("com.atproto.sync.getBlocks", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.getLatestCommit", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.getRecord", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.getRepo", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.getRepoStatus", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.listBlobs", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("com.atproto.sync.listRepos", Verbs::Get, Access::Open, 200, ""),
    ("com.atproto.sync.subscribeRepos", Verbs::Get, Access::Open, 426, "UpgradeRequired"),
    ("io.atcr.hold.requestCrew", Verbs::Post, Access::Account, 415, "InvalidContentType"),
    ("io.atcr.hold.initiateUpload", Verbs::Post, Access::Write, 415, "InvalidContentType"),
    ("io.atcr.hold.getPartUploadUrl", Verbs::Post, Access::Write, 415, "InvalidContentType"),
    ("io.atcr.hold.uploadPart", Verbs::PutOrPost, Access::Part, 400, "InvalidRequest"),
    ("io.atcr.hold.completeUpload", Verbs::Post, Access::Write, 415, "InvalidContentType"),
    ("io.atcr.hold.abortUpload", Verbs::Post, Access::Write, 415, "InvalidContentType"),
    ("io.atcr.hold.notifyManifest", Verbs::Post, Access::Account, 415, "InvalidContentType"),
    ("io.atcr.hold.getQuota", Verbs::Get, Access::Open, 400, "InvalidRequest"),
    ("io.atcr.hold.listTiers", Verbs::Get, Access::Open, 200, ""),
    ("io.atcr.hold.setStats", Verbs::Post, Access::Admin, 415, "InvalidContentType"),
    ("io.atcr.hold.updateCrewTier", Verbs::Post, Access::Account, 415, "InvalidContentType"),
    ("io.atcr.hold.exportUserData", Verbs::Get, Access::Account, 200, ""),
    ("io.atcr.hold.deleteUserData", Verbs::Post, Access::Account, 415, "InvalidContentType"),
];

/// Where an endpoint is reached.
pub(super) fn target(path: &str) -> String {
    match path {
        "/blobs/" => format!("/blobs/{ABSENT}"),
        path if path.starts_with('/') => path.to_owned(),
        nsid => format!("/xrpc/{nsid}"),
    }
}

fn methods(verbs: Verbs) -> Vec<&'static str> {
    verbs.as_str().split(", ").collect()
}

/// A call without parameters and with a body that no JSON method takes.
fn blank(hold: &Hold, verbs: Verbs, path: &str) -> Call {
    let call = hold.call(methods(verbs)[0], &target(path));
    if verbs == Verbs::Get { call } else { call.header("content-type", "text/plain").body("nothing") }
}

/// The kinds of caller of the matrix: whether they are crew, and what they may do.
fn callers(hold: &Hold) -> [(Option<&Account>, Caller); 6] {
    [
        (None, Caller::default()),
        (Some(&hold.stranger), Caller::default()),
        (Some(&hold.reader), Caller { crew: true, read: true, ..Caller::default() }),
        (Some(&hold.writer), Caller { crew: true, read: true, write: true, ..Caller::default() }),
        (Some(&hold.admin), Caller { crew: true, read: true, write: true, admin: true }),
        (Some(&hold.captain), Caller { crew: true, read: true, write: true, admin: true }),
    ]
}

#[derive(Default)]
struct Caller {
    crew: bool,
    read: bool,
    write: bool,
    admin: bool,
}

/// The permission that a caller lacks for an endpoint, and what would have been enough; `None` when it lacks nothing.
fn lacks(access: Access, public: bool, caller: &Caller) -> Option<(&'static str, &'static str)> {
    let (may, permission, required) = match access {
        // What a caller is plays no part: the call itself is refused or not.
        Access::Open | Access::SignedRead | Access::Account => (true, "", ""),
        Access::Blob => (public || caller.read, "blob:read", "blob:read or blob:write"),
        Access::Write | Access::Part => (caller.write, "blob:write", "blob:write"),
        Access::Admin => (caller.admin, "crew:admin", "crew:admin"),
    };
    (!may).then_some((permission, required))
}

fn needs_token(access: Access, public: bool) -> bool {
    match access {
        Access::Open | Access::SignedRead => false,
        Access::Blob => !public,
        Access::Account | Access::Write | Access::Part | Access::Admin => true,
    }
}

fn assert_answer(answer: &Answer, status: u16, name: &str) {
    match name {
        "" => assert_eq!(answer.status, status, "{}", answer.text()),
        name => answer.assert_error(status, name),
    }
}

#[test]
fn the_table_is_the_one_that_was_agreed() {
    let expected: Vec<_> = EXPECTED.iter().map(|(path, verbs, access, ..)| (*path, *verbs, *access)).collect();
    assert_eq!(endpoints().collect::<Vec<_>>(), expected);
}

#[test]
fn every_method_of_the_lexicon_is_answered_or_called() {
    // Of other hosts: sessions and tokens at an account's PDS, and to be crawled; what the front end has, and asks a relay.
    const CALLED: [Method; 9] = [
        nsid::GET_SESSION,
        nsid::CREATE_SESSION,
        nsid::REFRESH_SESSION,
        nsid::DELETE_SESSION,
        nsid::GET_SERVICE_AUTH,
        nsid::REQUEST_CRAWL,
        nsid::SEARCH_REPOSITORIES,
        nsid::LIST_REPOSITORIES,
        nsid::SYNC_LIST_REPOS_BY_COLLECTION,
    ];
    let answered: Vec<_> = EXPECTED.iter().map(|(path, ..)| *path).collect();
    for method in METHODS {
        assert_ne!(answered.contains(&method.as_str()), CALLED.contains(method), "{method}");
    }
    let names = answered.iter().filter(|path| path.contains('.') && !path.starts_with('/'));
    assert_eq!(names.count() + CALLED.len(), METHODS.len());
}

#[tokio::test]
async fn everyone_may_do_what_the_matrix_says_and_no_more() {
    for (configuration, public) in [(PUBLIC, true), (PRIVATE, false)] {
        let hold = Hold::start(&format!("{configuration}[limits]\nrequests_per_address = 0\n")).await;
        for (path, verbs, access, status, name) in EXPECTED {
            for (account, caller) in callers(&hold) {
                let call = blank(&hold, *verbs, path);
                let answer = match account {
                    None => call.send().await,
                    Some(account) => call.bearer(&hold.token(account)).send().await,
                };
                let refusal = lacks(*access, public, &caller);
                match (account, refusal) {
                    (None, _) if needs_token(*access, public) => {
                        answer.assert_refused(401, "AuthRequired", NO_TOKEN);
                    }
                    (_, Some((permission, required))) => {
                        let reason =
                            if caller.crew { "crew member lacks permission" } else { "user is not a crew member" };
                        let message = format!("access denied for {permission}: {reason} (required: {required})");
                        answer.assert_refused(403, "Forbidden", &message);
                    }
                    (_, None) => assert_answer(&answer, *status, name),
                }
            }
        }
    }
}

#[tokio::test]
async fn every_other_http_method_is_refused_and_the_right_ones_are_named() {
    let hold = Hold::start(PUBLIC).await;
    for (path, verbs, ..) in EXPECTED {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"] {
            if methods(*verbs).contains(&method) {
                continue;
            }
            let answer = hold.call(method, &target(path)).bearer(&hold.token(&hold.captain)).send().await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(verbs.as_str())), "{method} {path}");
            match method {
                "HEAD" => assert_eq!(answer.text(), ""),
                _ => answer.assert_refused(405, "MethodNotAllowed", &format!("use {} here", verbs.as_str())),
            }
        }
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let hold = Hold::start(PUBLIC).await;
    for (path, ..) in EXPECTED.iter().filter(|(_, verbs, ..)| *verbs == Verbs::Get) {
        let (get, head) = (hold.get(&target(path)).send().await, hold.call("HEAD", &target(path)).send().await);
        assert_eq!((head.status, head.text()), (get.status, ""), "{path}");
        assert_eq!(head.lasting_headers(), get.lasting_headers(), "{path}");
    }
}

#[test]
fn the_manual_says_what_each_endpoint_may_cost() {
    let page = include_str!("../../../src/hold/manual/limits.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for (path, _, access) in endpoints() {
        let named = format!("`{path}`");
        let of_path: Vec<_> =
            rows.iter().filter(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(&named))).collect();
        let [row] = of_path.as_slice() else { panic!("{path} is in {} rows of limits.md", of_path.len()) };
        let who = row.split('|').nth(2).unwrap_or_default().trim();
        let expected = match access {
            Access::Open => "open",
            Access::Blob => "open for blobs of records, else readers",
            Access::SignedRead => "signed URL",
            Access::Write => "writers",
            Access::Part => "signed URL or writers",
            Access::Account => "any account",
            Access::Admin => "captain, `crew:admin`",
        };
        assert_eq!(who, expected, "{path}");
    }
}
