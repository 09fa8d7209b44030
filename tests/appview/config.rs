//! Configuration: its layers, and every mistake with its explanation.

use std::path::Path;

use atcr_appview::config::Config;
use atcr_appview::names::Owner;
use server::settings::{Environment, Sources};

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
}

#[test]
fn every_mistake_is_a_line_that_names_the_option() {
    for (name, value, expected) in [
        ("ATCR_BASE_URL", "", "base_url (ATCR_BASE_URL) is not set"),
        ("ATCR_LOG_LEVEL", "loud", "it must be error, warn, info, debug, trace, or like info,atcr_appview=debug"),
        ("ATCR_HTTP_ADDR", "5000", "it must be like :5000, 127.0.0.1:5000 or unix:/run/atcr-appview.sock"),
        ("ATCR_BASE_URL", "http://registry.example.org", "base_url (ATCR_BASE_URL)"),
        ("ATCR_DEFAULT_HOLD_DID", "https://hold.example.org", "default_hold (ATCR_DEFAULT_HOLD_DID)"),
        ("ATCR_DEFAULT_HOLD_DID", "did:web:localhost%3A8080", "localhost needs test_mode"),
        (
            "ATCR_ALLOWED_ACCOUNTS",
            "alice",
            "allowed_accounts (ATCR_ALLOWED_ACCOUNTS): each account is a DID or a handle",
        ),
        ("ATCR_PLC_DIRECTORY_URL", "http://localhost:1", "http:// needs test_mode"),
        ("ATCR_HANDLE_RESOLVER_URL", "ftp://a.example", "identity.handle_resolver_url (ATCR_HANDLE_RESOLVER_URL)"),
        ("TEST_MODE", "perhaps", "test_mode (TEST_MODE): it is"),
    ] {
        let error = load(&[(name, value)]).unwrap_err();
        assert!(error.contains(expected) && !error.contains('\n'), "{name}={value}: {error}");
    }
    let warnings = load(&[("ATCR_BASE_ULR", "x")]).unwrap();
    assert!(warnings.warnings()[0].contains("is it ATCR_BASE_URL?"), "{:?}", warnings.warnings());
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
