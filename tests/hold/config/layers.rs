//! Where values come from, and which one counts.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::{OWNER, Place, load, load_toml, root};
use atproto::lexicon::Permission;
use atproto::syntax::Did;

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let config = load([]).unwrap();
    assert_eq!(config.public_url.as_str(), "https://hold.example.org");
    assert_eq!(config.public_url.did().as_str(), "did:web:hold.example.org");
    assert_eq!(config.owner.as_str(), OWNER);
    assert!(!config.public && !config.allow_all_crew && config.mutable_crew && !config.test_mode);
    assert_eq!(config.server_addr, ":8080");
    assert_eq!(config.database_path, Path::new("/var/lib/atcr-hold/hold.db"));
    assert_eq!(config.key_dir, Path::new("/var/lib/atcr-hold/keys"));
    assert_eq!(root(&config), Path::new("/srv/blobs"));
    assert_eq!(config.plc_directory_url, "https://plc.directory");
    assert!(config.relays.is_empty() && config.trusted_proxies.is_empty() && config.crew.is_empty());
    assert_eq!((config.region, config.metrics_addr, config.log_level.as_str()), (None, None, "info"));
    assert_eq!((config.limits.uploads_per_account, config.limits.uploads_total), (64, 1024));
    assert_eq!((config.limits.connections, config.limits.stale_upload), (1024, Duration::from_secs(86_400)));
}

#[test]
fn every_variable_of_the_original_is_understood() {
    let config = load([
        ("HOLD_PUBLIC_URL", "http://localhost:9000"),
        ("HOLD_OWNER", "did:web:alice.example.org"),
        ("HOLD_PUBLIC", "true"),
        ("HOLD_ALLOW_ALL_CREW", "true"),
        ("HOLD_SERVER_ADDR", "127.0.0.1:9000"),
        ("HOLD_DATABASE_PATH", "/data/h.db"),
        ("HOLD_DATABASE_KEY_PATH", "/secret/keys"),
        ("HOLD_PLC_DIRECTORY_URL", "http://localhost:2582/"),
        ("HOLD_RELAYS", " bsky.network, https://relay.example.org/ , http://localhost:2470,,"),
        ("STORAGE_DRIVER", "filesystem"),
        ("STORAGE_ROOT_DIR", "/data/blobs"),
        ("S3_BUCKET", "0123"),
        ("S3_ENDPOINT", "https://s3.example.org"),
        ("AWS_REGION", "garage"),
        ("AWS_ACCESS_KEY_ID", "0042"),
        ("AWS_SECRET_ACCESS_KEY", "1e5"),
        ("DISABLE_PRESIGNED_URLS", "true"),
        ("TEST_MODE", "true"),
        ("HOLD_LOG_LEVEL", "debug"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.log_level, "debug");
    assert_eq!(config.public_url.did().as_str(), "did:web:localhost%3A9000");
    assert_eq!(config.owner.as_str(), "did:web:alice.example.org");
    assert!(config.public && config.allow_all_crew && config.test_mode);
    assert_eq!(config.server_addr, "127.0.0.1:9000");
    assert_eq!(config.database_path, Path::new("/data/h.db"));
    assert_eq!(config.key_dir, Path::new("/secret/keys"));
    assert_eq!(root(&config), Path::new("/data/blobs"));
    assert_eq!(config.plc_directory_url, "http://localhost:2582");
    assert_eq!(config.relays, ["https://bsky.network", "https://relay.example.org", "http://localhost:2470"]);
}

#[test]
fn each_layer_overrides_those_before_it() {
    let place = Place::new();
    let toml = "public_url = 'https://toml.example.org'\nowner = 'did:plc:ewvi7nxzyoun6zhxrhs64oiz'\n\
                storage.root_dir = '/toml'\ndatabase.path = '/toml/hold.db'\nlog_level = 'debug'\n";
    place.file("hold.toml", toml);
    let config = place.load([]).unwrap();
    assert_eq!((config.public_url.authority(), config.server_addr.as_str()), ("toml.example.org", ":8080"));
    place.file(".env", "# a comment\nSTORAGE_ROOT_DIR=/dotenv\nexport HOLD_DATABASE_PATH='/dotenv/hold.db'\n");
    let config = place.load([("HOLD_DATABASE_PATH", "/environment/hold.db")]).unwrap();
    assert_eq!(config.public_url.authority(), "toml.example.org");
    assert_eq!(root(&config), Path::new("/dotenv"));
    assert_eq!(config.database_path, Path::new("/environment/hold.db"));
    assert_eq!(config.log_level, "debug");
}

#[test]
fn an_empty_variable_is_unset() {
    let place = Place::new();
    place.file("hold.toml", "public_url = 'https://toml.example.org'\npublic = true\nrelays = ['bsky.network']");
    place.file(".env", "HOLD_PUBLIC=\nSTORAGE_ROOT_DIR=/dotenv\n");
    let environment = [
        ("HOLD_OWNER", OWNER),
        ("HOLD_PUBLIC_URL", ""),
        ("STORAGE_ROOT_DIR", ""),
        ("HOLD_RELAYS", ""),
        ("S3_BUCKET", ""),
    ];
    let config = place.load(environment).unwrap();
    assert_eq!(config.public_url.authority(), "toml.example.org");
    assert!(config.public);
    assert_eq!(root(&config), Path::new("/dotenv"));
    assert_eq!(config.relays, ["https://bsky.network"]);
}

#[test]
fn a_list_replaces_the_one_before_it() {
    let place = Place::new();
    place.file("hold.toml", "relays = ['one.example.org', 'two.example.org']");
    let environment = [
        ("HOLD_PUBLIC_URL", "https://hold.example.org"),
        ("HOLD_OWNER", OWNER),
        ("STORAGE_ROOT_DIR", "/srv"),
        ("HOLD_RELAYS", "three.example.org"),
    ];
    assert_eq!(place.load(environment).unwrap().relays, ["https://three.example.org"]);
}

#[test]
fn yes_and_no_have_the_usual_words() {
    for (text, expected) in [
        ("true", true),
        ("TRUE", true),
        ("1", true),
        ("yes", true),
        ("on", true),
        ("false", false),
        ("False", false),
        ("0", false),
        ("no", false),
        ("off", false),
    ] {
        let config = load([("HOLD_PUBLIC", text), ("TEST_MODE", text), ("DISABLE_PRESIGNED_URLS", text)]).unwrap();
        assert_eq!((config.public, config.test_mode), (expected, expected), "{text}");
    }
}

#[test]
fn state_goes_where_the_service_manager_says() {
    let paths = |config: atcr_hold::config::Config| (config.database_path, config.key_dir);
    let config = load([("STATE_DIRECTORY", "/var/lib/private/h:/var/lib/private/other")]).unwrap();
    assert_eq!(paths(config), ("/var/lib/private/h/hold.db".into(), "/var/lib/private/h/keys".into()));
    let config = load([("STATE_DIRECTORY", "/state"), ("HOLD_DATABASE_PATH", "/elsewhere/h.db")]).unwrap();
    assert_eq!(paths(config), ("/elsewhere/h.db".into(), "/elsewhere/keys".into()));
    let config = load([("STATE_DIRECTORY", ""), ("HOLD_DATABASE_KEY_PATH", "/keys")]).unwrap();
    assert_eq!(paths(config), ("/var/lib/atcr-hold/hold.db".into(), "/keys".into()));

    let socket = |environment: [(&str, &str); 3]| load(environment).unwrap().admin_socket;
    let [state, runtime] = [("STATE_DIRECTORY", "/state"), ("RUNTIME_DIRECTORY", "/run/h:/run/other")];
    assert_eq!(socket([state, ("RUNTIME_DIRECTORY", ""), ("HOLD_ADMIN_SOCKET", "")]), Path::new("/state/admin.sock"));
    assert_eq!(socket([state, runtime, ("HOLD_ADMIN_SOCKET", "")]), Path::new("/run/h/admin.sock"));
    assert_eq!(socket([state, runtime, ("HOLD_ADMIN_SOCKET", "/own.sock")]), Path::new("/own.sock"));
}

#[test]
fn one_trailing_slash_of_the_public_url_is_dropped() {
    let config = load([("HOLD_PUBLIC_URL", "https://hold.example.org/")]).unwrap();
    assert_eq!(config.public_url.as_str(), "https://hold.example.org");
}

#[test]
fn the_file_declares_crew_and_limits() {
    let config = load_toml(
        "test_mode = true\nmutable_crew = false\nregion = 'eu-central'\n[server]\ntrusted_proxies = ['::ffff:127.0.0.1', '::1']\n\
         [limits]\nmax_part_bytes = 1048576\nuploads_total = 7\nrequests_per_address = 0\n\
         [crew.'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa']\npermissions = ['blob:write', 'crew:admin']\nrole = 'admin'\ntier = 'bosun'\n\
         [crew.'did:web:localhost%3A8081']\npermissions = ['blob:read']\n",
    );
    let config = config.unwrap();
    assert!(!config.mutable_crew);
    assert_eq!(config.region.as_deref(), Some("eu-central"));
    assert_eq!(config.trusted_proxies, [IpAddr::from([127, 0, 0, 1]), "::1".parse().unwrap()], "as peers are compared");
    let limits = &config.limits;
    assert_eq!((limits.max_part_bytes, limits.uploads_total, limits.requests_per_address), (1 << 20, 7, 0));
    assert_eq!(limits.uploads_per_account, 64, "what the file leaves out keeps its default");
    let member = |text: &str| config.crew[&Did::parse(text).unwrap()].clone();
    let admin = member("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!((admin.role.as_str(), admin.tier.as_deref()), ("admin", Some("bosun")));
    assert_eq!(admin.permissions, [Permission::BlobWrite, Permission::CrewAdmin]);
    let reader = member("did:web:localhost%3A8081");
    assert_eq!((reader.role.as_str(), reader.tier), ("member", None));
}

#[test]
fn a_socket_file_is_an_address() {
    for addr in [":0", "[::1]:8080", "localhost:80", "/run/hold.sock", "unix:/run/hold.sock"] {
        assert_eq!(load([("HOLD_SERVER_ADDR", addr)]).unwrap().server_addr, addr);
        assert_eq!(load([("HOLD_METRICS_ADDR", addr)]).unwrap().metrics_addr.as_deref(), Some(addr));
    }
}
