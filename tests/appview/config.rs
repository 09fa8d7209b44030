//! Configuration: its layers, every mistake with its explanation, and the manual's table.
//!
//! `ATCR_HOLD_WRITE=1 cargo test -p atcr-appview --test appview config` brings the table up to date.

use std::path::Path;

use atcr_appview::config::{Config, OPTIONS};
use atcr_appview::names::Owner;
use server::settings::{Environment, Sources};

use crate::support::manual::{has_options, log_lines_are_in_the_code, module_has_live_options};

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// Longer than the path of any socket.
const LONG_PATH: &str = concat!(
    "/run/atcr-appview-in-a-directory-of-a-name-that-is-longer-than-names-are/",
    "and-a-socket-of-a-name-that-is-as-long"
);

fn load(more: &[(&str, &str)]) -> Result<Config, String> {
    let mut all = vec![("ATCR_BASE_URL", "https://registry.example.org")];
    all.extend(more);
    let all: [(&str, &str); 8] = std::array::from_fn(|n| all.get(n).copied().unwrap_or(("UNRELATED", "1")));
    Config::load(&Sources::of_environment(Environment::from(all))).map_err(|error| error.to_string())
}

#[test]
fn one_variable_is_enough() {
    let config = load(&[]).unwrap();
    assert_eq!((config.base_url.authority(), config.http_addr.as_str()), ("registry.example.org", ":5000"));
    assert_eq!(config.database_path, Path::new("/var/lib/atcr-appview/appview.db"));
    assert_eq!(config.auth_key_path, Path::new("/var/lib/atcr-appview/keys/auth.key"));
    assert_eq!(config.plc_directory_url, "https://plc.directory");
    assert_eq!(config.oauth_key_path, Path::new("/var/lib/atcr-appview/keys/oauth.key"));
    assert_eq!(config.admin_socket, Path::new("/var/lib/atcr-appview/admin.sock"));
    assert!(config.ui_enabled && !config.proxy_blobs && config.metrics_addr.is_none() && config.warnings().is_empty());
    assert!(config.default_hold.is_none() && config.allowed_accounts.is_empty() && !config.allow_account_passwords);
    assert_eq!(load(&[("STATE_DIRECTORY", "/state")]).unwrap().database_path, Path::new("/state/appview.db"));
}

#[test]
fn accounts_and_the_hold_are_read() {
    let config = load(&[
        ("ATCR_DEFAULT_HOLD_DID", "did:web:hold.example.org"),
        ("ATCR_ALLOWED_ACCOUNTS", "did:plc:ewvi7nxzyoun6zhxrhs64oiz, alice.example.org"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.default_hold.unwrap().as_str(), "https://hold.example.org");
    assert!(matches!(&config.allowed_accounts[..], [Owner::Did(_), Owner::Handle(_)]));
    let plc = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    let config = load(&[("ATCR_DEFAULT_HOLD_DID", plc)]).unwrap();
    assert_eq!(config.default_hold.unwrap().as_str(), plc);
}

#[test]
fn the_names_of_the_original_are_taken() {
    let config = load(&[
        ("ATCR_UI_DATABASE_PATH", "/srv/ui.db"),
        ("ATCR_JETSTREAM_URLS", "wss://jetstream.example/subscribe, wss://other.example"),
        ("ATCR_UI_ENABLED", "false"),
        ("ATCR_PROXY_BLOBS", "true"),
        ("RUNTIME_DIRECTORY", "/run/atcr-appview"),
        ("ATCR_METRICS_ADDR", "unix:/run/m.sock"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.database_path, Path::new("/srv/ui.db"));
    assert_eq!(config.auth_key_path, Path::new("/srv/keys/auth.key"));
    assert_eq!(config.admin_socket, Path::new("/run/atcr-appview/admin.sock"));
    assert_eq!((config.jetstream_urls.len(), config.metrics_addr.as_deref()), (2, Some("unix:/run/m.sock")));
    assert!(!config.ui_enabled && config.proxy_blobs);
    assert_eq!(config.warnings(), [""; 0]);
    let both = load(&[("ATCR_UI_DATABASE_PATH", "/a.db"), ("ATCR_DATABASE_PATH", "/b.db")]).unwrap();
    assert_eq!((both.database_path.as_path(), both.warnings().len()), (Path::new("/b.db"), 0));
}

#[test]
fn the_key_of_tokens_may_be_a_secret() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("ATCR_AUTH_KEY"), KEY).unwrap();
    let credential = ("CREDENTIALS_DIRECTORY", place.path().to_str().unwrap());
    let file = place.path().join("ATCR_AUTH_KEY");
    for given in [("ATCR_AUTH_KEY", KEY), ("ATCR_AUTH_KEY_FILE", file.to_str().unwrap()), credential] {
        let config = load(&[given]).unwrap();
        assert_eq!(config.auth_key.as_ref().map(|key| key.expose()), Some(KEY), "{}", given.0);
        assert!(config.warnings().is_empty() && !format!("{config:?}").contains(KEY));
    }
    let environment = Environment::from([("ATCR_BASE_URL", "http://localhost:5000"), ("ATCR_AUTH_KEY", KEY)]);
    let (shown, _) = Config::show(&Sources::of_environment(environment)).unwrap();
    assert!(shown.contains("key = \"********\"") && !shown.contains(KEY), "{shown}");
    let error = load(&[("ATCR_AUTH_KEY", "77secret77")]).unwrap_err();
    assert!(error.contains("auth.key (ATCR_AUTH_KEY): it is no key") && !error.contains("77secret77"), "{error}");
}

#[test]
fn the_manual_has_the_table_of_options() {
    has_options("src/appview/manual/configuration.md", OPTIONS);
}

#[test]
fn the_manual_has_lines_of_the_log_as_they_are() {
    log_lines_are_in_the_code("src/appview/manual/monitoring.md", "appview");
}

#[test]
fn the_nixos_module_knows_what_a_reload_follows() {
    module_has_live_options("appview", OPTIONS);
}

#[test]
fn every_mistake_is_a_line_that_names_the_option() {
    for (name, value, expected) in [
        ("ATCR_BASE_URL", "", "base_url (ATCR_BASE_URL) is not set"),
        ("ATCR_LOG_LEVEL", "loud", "it must be error, warn, info, debug, trace, or like info,atcr_appview=debug"),
        ("ATCR_HTTP_ADDR", "5000", "it must be like :5000, 127.0.0.1:5000 or unix:/run/atcr-appview.sock"),
        ("ATCR_BASE_URL", "http://registry.example.org", "base_url (ATCR_BASE_URL)"),
        (
            "ATCR_DEFAULT_HOLD_DID",
            "https://hold.example.org",
            "default_hold (ATCR_DEFAULT_HOLD_DID): it must be a DID: write did:web:hold.example.org",
        ),
        ("ATCR_RELAY_URL", "bsky.network", "relay_url (ATCR_RELAY_URL): it must begin with https://"),
        ("ATCR_DEFAULT_HOLD_DID", "did:web:localhost%3A8080", "localhost needs test_mode"),
        ("ATCR_DEFAULT_HOLD_DID", "did:plc:short", "it must be like did:web:hold.example.org"),
        (
            "ATCR_ALLOWED_ACCOUNTS",
            "alice",
            "allowed_accounts (ATCR_ALLOWED_ACCOUNTS): each account is a DID or a handle",
        ),
        ("ATCR_PLC_DIRECTORY_URL", "http://localhost:1", "http:// needs test_mode"),
        ("ATCR_HANDLE_RESOLVER_URL", "ftp://a.example", "identity.handle_resolver_url (ATCR_HANDLE_RESOLVER_URL)"),
        ("TEST_MODE", "perhaps", "test_mode (TEST_MODE): it is"),
        ("ATCR_PROXY_BLOBS", "perhaps", "proxy_blobs (ATCR_PROXY_BLOBS): it is"),
        ("ATCR_JETSTREAM_URLS", "https://jetstream.example", "each address begins with wss://"),
        ("ATCR_JETSTREAM_URLS", "ws://localhost:1", "ws:// needs test_mode"),
        ("ATCR_RELAY_URL", "wss://relay.example", "relay_url (ATCR_RELAY_URL)"),
        ("ATCR_METRICS_ADDR", "9465", "it must be like 127.0.0.1:9465 or unix:/run/atcr-appview-metrics.sock"),
        ("ATCR_METRICS_ADDR", ":5000", "metrics are not for the public"),
        ("ATCR_ADMIN_SOCKET", "/run/atcr-appview/", "it must be the path of a file"),
        ("ATCR_RELAY_URL", "https://relay.example?a=b", "relay_url (ATCR_RELAY_URL): it must be like https://"),
        ("ATCR_ADMIN_SOCKET", LONG_PATH, "a socket's path has at most 101 bytes"),
        ("ATCR_HTTP_ADDR", LONG_PATH, "a socket's path has at most 107 bytes"),
        ("ATCR_UI_DATABASE_PATH", "/srv/", "database.path (ATCR_DATABASE_PATH): it must be the path of a file"),
    ] {
        let error = load(&[(name, value)]).unwrap_err();
        assert!(error.contains(expected) && !error.contains('\n'), "{name}={value}: {error}");
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("appview.toml");
    for option in ["admin.socket", "database.path", "auth.key_path", "oauth.key_path"] {
        std::fs::write(&file, format!("base_url = 'https://registry.example.org'\n{option} = ''")).unwrap();
        let error = Config::load(&Sources { file: Some(file.clone()), ..Sources::default() }).unwrap_err().to_string();
        assert!(error.starts_with(option) && error.contains("it is empty"), "{error}");
    }
    let in_public = load(&[("TEST_MODE", "true")]).unwrap();
    assert!(in_public.warnings()[0].contains("it is for tests only"), "{:?}", in_public.warnings());
    let warnings = load(&[("ATCR_BASE_ULR", "x")]).unwrap();
    assert!(warnings.warnings()[0].contains("is it ATCR_BASE_URL?"), "{:?}", warnings.warnings());
    let one_key = load(&[("ATCR_OAUTH_KEY_PATH", "/var/lib/atcr-appview/keys/auth.key")]).unwrap();
    assert!(one_key.warnings()[0].contains("is the file of auth.key_path"), "{:?}", one_key.warnings());
    let shared = load(&[("ATCR_ADMIN_SOCKET", "/run/a.sock"), ("ATCR_HTTP_ADDR", "unix:/run/a.sock")]).unwrap_err();
    assert!(shared.contains("admin.socket (ATCR_ADMIN_SOCKET): use another path than server.addr"), "{shared}");
}

#[test]
fn what_is_shown_can_be_loaded_and_means_the_same() {
    let place = tempfile::tempdir().unwrap();
    let environment = Environment::from([("ATCR_BASE_URL", "http://localhost:5000"), ("TEST_MODE", "true")]);
    let (shown, _) = Config::show(&Sources::of_environment(environment)).unwrap();
    let file = place.path().join("appview.toml");
    std::fs::write(&file, &shown).unwrap();
    let (again, _) = Config::show(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    assert_eq!(again, shown);
}

#[test]
fn an_account_may_have_no_webhooks_but_their_total_is_a_number() {
    let place = tempfile::tempdir().unwrap();
    let of = |limit: &str| {
        let file = place.path().join("appview.toml");
        std::fs::write(&file, format!("base_url = \"https://registry.example.org\"\n[limits]\n{limit} = 0\n")).unwrap();
        Config::load(&Sources { file: Some(file), ..Sources::default() }).map_err(|error| error.to_string())
    };
    assert_eq!(of("webhooks_per_account").unwrap().limits.webhooks_per_account, 0);
    assert!(of("webhooks_total").unwrap_err().contains("it must be greater than 0"));
}
