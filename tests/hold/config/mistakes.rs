//! Every mistake is one line that names the option, where the value came from, and the remedy.

use atcr_hold::config::Config;
use server::settings::{Environment, Sources};

use super::{OWNER, Place, load, load_toml, with};

/// The text of the mistake, which is one line and has every word of `expected`.
fn check<T: std::fmt::Debug>(outcome: Result<T, String>, expected: &[&str]) {
    let text = outcome.unwrap_err();
    assert!(!text.contains('\n'), "one line: {text}");
    for word in expected {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

#[test]
fn what_is_required_is_asked_for_by_its_variable() {
    check(load([("HOLD_PUBLIC_URL", "")]), &["public_url (HOLD_PUBLIC_URL) is not set", "https://hold.example.org"]);
    check(load([("HOLD_OWNER", "")]), &["owner (HOLD_OWNER) is not set", "did:plc:"]);
    check(load([("STORAGE_ROOT_DIR", "")]), &["storage.root_dir (STORAGE_ROOT_DIR) is not set", "/blobs"]);
}

/// The mistake of one variable, which has every word of `expected`.
fn explained(name: &str, value: &str, expected: &[&str]) {
    let outcome = load([(name, value)]);
    check(outcome.clone(), expected);
    check(outcome, &["(from the environment)"]);
}

#[test]
fn accounts_and_addresses_of_the_environment_are_explained() {
    for (name, value, expected) in [
        (
            "HOLD_OWNER",
            "alice.example.org",
            &["owner (HOLD_OWNER)", "did:", "handle", "https://alice.example.org/.well-known/atproto-did"][..],
        ),
        (
            "HOLD_OWNER",
            "@alice.example.org",
            &["owner (HOLD_OWNER)", "handle", "TXT record of _atproto.alice.example.org"],
        ),
        ("HOLD_OWNER", "did:key:zQ3sh", &["owner (HOLD_OWNER)", "did:plc and did:web"]),
        ("HOLD_PUBLIC_URL", "hold.example.org", &["public_url (HOLD_PUBLIC_URL)", "https://hold.example.org"]),
        ("HOLD_PUBLIC_URL", "http://hold.example.org", &["HOLD_PUBLIC_URL", "https://"]),
        ("HOLD_PUBLIC_URL", "https://hold.example.org:8443", &["HOLD_PUBLIC_URL", "serve it on 443"]),
        ("HOLD_PUBLIC_URL", "https://hold.example.org/path", &["HOLD_PUBLIC_URL", "without path"]),
        ("HOLD_PUBLIC_URL", "https://hold.example.org ", &["HOLD_PUBLIC_URL", "space"]),
        ("HOLD_PUBLIC_URL", "\"https://hold.example.org\"", &["HOLD_PUBLIC_URL", "quotation marks"]),
        ("HOLD_PUBLIC_URL", "https://my_hold.example.org", &["HOLD_PUBLIC_URL", "underscore"]),
        ("HOLD_PUBLIC_URL", "https://höld.example.org", &["HOLD_PUBLIC_URL", "xn--"]),
        ("HOLD_PUBLIC_URL", "https://[::1]", &["HOLD_PUBLIC_URL", "not an address"]),
        ("HOLD_PUBLIC_URL", "https://hold", &["HOLD_PUBLIC_URL", "with a dot"]),
        ("HOLD_OWNER", "did:plc:short", &["owner (HOLD_OWNER)", "24 characters"]),
        ("HOLD_OWNER", "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ", &["owner (HOLD_OWNER)", "a to z"]),
        ("HOLD_OWNER", "did:web:localhost%3A8081", &["owner (HOLD_OWNER)", "test_mode"]),
        ("HOLD_OWNER", "did:web:hold.example.org", &["owner (HOLD_OWNER)", "this hold itself", "your own account"]),
    ] {
        explained(name, value, expected);
    }
}

#[test]
fn values_of_the_environment_are_explained() {
    for (name, value, expected) in [
        ("HOLD_SERVER_ADDR", "tcp://:8080", &["server.addr (HOLD_SERVER_ADDR)", ":8080"][..]),
        ("HOLD_METRICS_ADDR", "tcp://127.0.0.1:9464", &["metrics.addr (HOLD_METRICS_ADDR)", "127.0.0.1:9464"]),
        ("HOLD_PUBLIC", "maybe", &["public (HOLD_PUBLIC)", "maybe", "true or false"]),
        ("HOLD_ALLOW_ALL_CREW", "2", &["allow_all_crew (HOLD_ALLOW_ALL_CREW)", "true or false"]),
        ("TEST_MODE", "t", &["test_mode (TEST_MODE)", "true or false"]),
        (
            "DISABLE_PRESIGNED_URLS",
            "never",
            &["storage.disable_presigned_urls (DISABLE_PRESIGNED_URLS)", "true or false"],
        ),
        ("HOLD_SERVER_ADDR", "8080", &["server.addr (HOLD_SERVER_ADDR)", ":8080"]),
        ("HOLD_SERVER_ADDR", ":99999", &["server.addr (HOLD_SERVER_ADDR)", ":8080"]),
        ("HOLD_METRICS_ADDR", "9464", &["metrics.addr (HOLD_METRICS_ADDR)", "127.0.0.1:9464"]),
        ("HOLD_METRICS_ADDR", ":8080", &["metrics.addr (HOLD_METRICS_ADDR)", "not for the public", "server.addr"]),
        ("HOLD_PLC_DIRECTORY_URL", "plc.directory", &["identity.plc_url (HOLD_PLC_DIRECTORY_URL)", "https://"]),
        ("HOLD_PLC_DIRECTORY_URL", "http://plc.example.org", &["HOLD_PLC_DIRECTORY_URL", "https://", "test_mode"]),
        ("HOLD_PLC_DIRECTORY_URL", "https://plc.example.org?a=b", &["HOLD_PLC_DIRECTORY_URL", "without user"]),
        ("HOLD_PLC_DIRECTORY_URL", "https://me:hunter2@plc.example.org", &["HOLD_PLC_DIRECTORY_URL", "without user"]),
        ("HOLD_RELAYS", "bsky.network,wss://x.example.org/", &["relays (HOLD_RELAYS)", "bsky.network"]),
        ("HOLD_RELAYS", "bsky.network/x", &["relays (HOLD_RELAYS)", "host name"]),
        ("HOLD_RELAYS", "user@bsky.network", &["relays (HOLD_RELAYS)", "host name"]),
        ("HOLD_RELAYS", "bsky.network?x", &["relays (HOLD_RELAYS)", "host name"]),
        ("HOLD_RELAYS", "bsky.network:99999", &["relays (HOLD_RELAYS)", "host name"]),
        ("HOLD_RELAYS", "http://localhost:2470", &["relays (HOLD_RELAYS)", "https", "test_mode"]),
        ("HOLD_SUCCESSOR", "next.example.org", &["successor (HOLD_SUCCESSOR)", "write did:web:next.example.org"]),
        ("HOLD_DID", "did:web:next.example.org", &["did (HOLD_DID)", "a did:plc", "did:web:hold.example.org"]),
        ("HOLD_DID", "did:plc:short", &["did (HOLD_DID)", "a did:plc"]),
        ("HOLD_DID", "hold.example.org", &["did (HOLD_DID)", "did:"]),
        ("HOLD_DATABASE_PATH", "/var/lib/atcr-hold/", &["database.path (HOLD_DATABASE_PATH)", "not of a directory"]),
        (
            "HOLD_SUCCESSOR",
            "https://next.example.org/",
            &["successor (HOLD_SUCCESSOR)", "write did:web:next.example.org"],
        ),
        ("HOLD_SUCCESSOR", "did:plc:short", &["successor (HOLD_SUCCESSOR)", "did:web:hold.example.org"]),
        ("HOLD_SUCCESSOR", "did:web:10.0.0.1", &["successor (HOLD_SUCCESSOR)", "domain name"]),
        ("HOLD_SUCCESSOR", "did:web:hold.example.org", &["successor (HOLD_SUCCESSOR)", "this hold itself"]),
        ("HOLD_SUCCESSOR", "did:web:localhost%3A8080", &["successor (HOLD_SUCCESSOR)", "test_mode"]),
        ("HOLD_SIGNING_KEY", "abc", &["database.signing_key (HOLD_SIGNING_KEY)", "64 hexadecimal digits"]),
        ("STORAGE_DRIVER", "tape", &["storage.driver (STORAGE_DRIVER)", "filesystem, s3"]),
    ] {
        explained(name, value, expected);
    }
}

#[test]
fn a_socket_has_a_path_that_the_system_takes_and_of_its_own() {
    let of_length = |length: usize| format!("/run/{}", "x".repeat(length - "/run/".len()));
    // The admin socket is made under a longer name.
    for (name, longest) in [("HOLD_SERVER_ADDR", 107), ("HOLD_METRICS_ADDR", 107), ("HOLD_ADMIN_SOCKET", 101)] {
        assert!(load([(name, &*of_length(longest))]).is_ok(), "{name}");
        explained(name, &of_length(longest + 1), &[name, &format!("at most {longest} bytes")]);
    }
    for (name, address) in [("HOLD_SERVER_ADDR", "unix:/run/a.sock"), ("HOLD_METRICS_ADDR", "/run/a.sock")] {
        check(load([("HOLD_ADMIN_SOCKET", "/run/a.sock"), (name, address)]), &["admin.socket", "another path than"]);
    }
    let (one, same) = (("HOLD_SERVER_ADDR", "unix:/run/a.sock"), ("HOLD_METRICS_ADDR", "/run/a.sock"));
    check(load([one, same]), &["metrics.addr (HOLD_METRICS_ADDR)", "not for the public"]);
}

#[test]
fn a_hold_by_did_plc_does_not_follow_itself_by_its_address() {
    let did = ("HOLD_DID", "did:plc:z72i7hdynmk6r22z27h6tvur");
    for own in [did.1, "did:web:hold.example.org"] {
        check(load([did, ("HOLD_SUCCESSOR", own)]), &["successor (HOLD_SUCCESSOR)", "this hold itself"]);
    }
    assert!(load([did, ("HOLD_SUCCESSOR", "did:web:next.example.org")]).is_ok());
}

#[test]
fn values_of_dotenv_are_named_as_its() {
    let place = Place::new();
    place.file(".env", "HOLD_OWNER=nobody\n");
    let environment = [("HOLD_PUBLIC_URL", "https://hold.example.org"), ("STORAGE_ROOT_DIR", "/srv")];
    check(place.load(environment), &["owner (HOLD_OWNER)", "(from .env)"]);
    let path = place.file(".env", "HOLD_OWNER=did:plc:x\nthis is no assignment hunter2\n");
    let outcome = place.load(environment);
    check(outcome.clone(), &[&path, "line 2", "NAME=value"]);
    assert!(!outcome.unwrap_err().contains("hunter2"));
}

#[test]
fn values_of_the_file_are_named_as_its() {
    const CREW: &str = "[crew.'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa']\npermissions = ['blob:read']\n";
    for (toml, expected) in [
        ("publik = true", &["\"publik\"", "is it \"public\"?"][..]),
        ("[server]\nport = 1", &["\"port\"", "[server]", "spelling"]),
        ("[storage.s3]\nbuckett = 'x'", &["\"buckett\"", "[storage.s3]", "is it \"bucket\"?"]),
        ("[limits]\nconnection = 1", &["\"connection\"", "[limits]", "is it \"connections\"?"]),
        ("public = 'perhaps'", &["public (HOLD_PUBLIC)", "true or false"]),
        ("log_level = 'loud'", &["log_level", "error, warn, info"]),
        ("admin.socket = ''", &["admin.socket (HOLD_ADMIN_SOCKET)", "it is empty"]),
        ("database.path = ''", &["database.path (HOLD_DATABASE_PATH)", "it is empty"]),
        ("database.key_path = ''", &["database.key_path (HOLD_DATABASE_KEY_PATH)", "it is empty"]),
        ("region = 5", &["region", "string"]),
        ("relays = 'bsky.network'", &["relays (HOLD_RELAYS)", "it is \"bsky.network\", but must be a list"]),
        ("limits.connections = 'many'", &["limits.connections", "it is \"many\", but must be a whole number"]),
        ("limits = 5", &["limits", "it is 5, but must be a table"]),
        ("limits.connections = 0", &["limits.connections", "greater than 0"]),
        ("limits.event_bytes = 1000", &["limits.event_bytes", "16777216"]),
        ("limits.reserve_bytes = 0", &["limits.reserve_bytes", "16777216"]),
        ("limits.writes_per_account = 9", &["limits.writes_per_account", "from 1 to 8"]),
        ("limits.writes_per_account = 0", &["limits.writes_per_account", "from 1 to 8"]),
        ("limits.connections = -1", &["limits.connections", "it is -1, but must be a whole number"]),
        ("limits.stale_upload_s = 60", &["limits.stale_upload_s", "at least 3600"]),
        ("server.trusted_proxies = ['nginx']", &["server.trusted_proxies", "127.0.0.1"]),
        ("server.accel_redirect = '/.blobs'", &["server.accel_redirect", "/.blobs/"]),
        ("server.accel_redirect = '/a b/'", &["server.accel_redirect", "/.blobs/"]),
        (
            "server.accel_redirect = '/.blobs/'\nstorage.driver = 's3'\nstorage.s3.bucket = 'layers'",
            &["server.accel_redirect", "filesystem"],
        ),
        ("crew = ['did:plc:x']", &["crew", "it is a list, but must be a table"]),
        (&CREW.replace("blob:read", "blob:delete"), &["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "blob:delete", "crew:admin"]),
        (&CREW.replace("'blob:read'", ""), &["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "no permissions", "remove"]),
        (&CREW.replace("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "alice"), &["crew.\"alice\"", "did:"]),
        (
            &CREW.replace("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "did:key:z"),
            &["crew.\"did:key:z\"", "did:plc and did:web"],
        ),
        (&CREW.replace("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", OWNER), &[OWNER, "the owner is always a member", "remove"]),
        (&format!("{CREW}role = 'owner'"), &["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "only the owner", "another word"]),
        (
            &format!("{CREW}permission = []"),
            &["\"permission\"", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "\"permissions\"?"],
        ),
        (&format!("{CREW}role = 5"), &["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "role", "string"]),
        ("public = true\npublic = false", &["duplicate", "line 2"]),
        ("[gc]\ngrace_s = 86399", &["gc.grace_s", "86400"]),
        ("[gc]\nschedule = \"daily\"", &["gc.schedule", "03:30", "6h"]),
        ("[gc]\nschedule = \"0h\"", &["gc.schedule"]),
        ("[gc]\nschedule = \"3599s\"", &["gc.schedule"]),
        ("public = ", &["line 1"]),
    ] {
        let outcome = load_toml(toml);
        check(outcome.clone(), expected);
        check(outcome, &["hold.toml"]);
    }
}

#[test]
fn a_missing_file_is_a_mistake_and_a_missing_dotenv_is_none() {
    let load = |sources: Sources| Config::load(&sources).map_err(|e| e.to_string());
    let sources = || Sources { dotenv: "/nonexistent/.env".into(), ..Sources::of_environment(with([])) };
    let missing = || Some("/nonexistent/hold.toml".into());
    let outcome = load(Sources { file: missing(), ..sources() });
    check(outcome, &["/nonexistent/hold.toml", "--config", "no such file"]);
    let outcome = load(Sources { env_file: missing(), ..sources() });
    check(outcome, &["/nonexistent/hold.toml", "--env-file", "no such file"]);
    assert!(load(sources()).is_ok());
    let directory = tempfile::tempdir().unwrap();
    let outcome = load(Sources { dotenv: directory.path().into(), ..sources() });
    check(outcome, &[directory.path().to_str().unwrap(), "cannot be read"]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    fn warnings<const N: usize>(more: [(&str, &str); N]) -> Vec<String> {
        load(more).unwrap().warnings().to_vec()
    }
    assert_eq!(warnings([]), [""; 0]);
    let unused = warnings([("S3_BUCKET", "layers"), ("STORAGE_DRIVER", "filesystem")]);
    assert_eq!(unused, ["storage.s3.bucket is set, but not used: storage.driver (STORAGE_DRIVER) is filesystem"]);
    let half = warnings([("S3_BUCKET", "layers"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/hold")]);
    let token = "storage.s3.web_identity_token_file (AWS_WEB_IDENTITY_TOKEN_FILE)";
    assert_eq!(half, [format!("storage.s3.role_arn (AWS_ROLE_ARN) is set, but not used without {token}")]);
    assert_eq!(warnings([("TEST_MODE", "true"), ("HOLD_PUBLIC_URL", "http://localhost:8080")]), [""; 0]);
    let [in_public] = &warnings([("TEST_MODE", "true")])[..] else { panic!("one warning") };
    assert!(in_public.contains("test_mode (TEST_MODE)") && in_public.contains("for tests only"), "{in_public}");
}

#[test]
fn nothing_at_all_is_explained_too() {
    let outcome = Config::load(&Sources::of_environment(Environment::from([])));
    check(outcome.map_err(|e| e.to_string()), &["HOLD_PUBLIC_URL"]);
}
