//! The table of options: what the file, the variables, a reload and the manual know of them.

use server::settings::{Default, Reload, Setting, SettingKind};

/// Reads the table below: path, variable, kind, default, what it does. A change of any needs a restart.
macro_rules! options {
    ($($name:literal $([$variable:literal])? $kind:ident $default:ident($value:literal) => $doc:literal;)*) => {
        /// All options of the front end, in the order of the manual.
        pub const OPTIONS: &[Setting] = &[$(Setting {
            name: $name,
            old_name: None,
            variable: options!(@maybe $($variable)?),
            kind: SettingKind::$kind,
            default: Default::$default($value),
            reload: Reload::Restart,
            doc: $doc,
        }),*];
    };
    (@maybe) => { None };
    (@maybe $text:literal) => { Some($text) };
}

options! {
    "base_url" ["ATCR_BASE_URL"] Text Words("required")
        => "where clients reach the registry: `https://<host>`, or `http://localhost:<port>` or `http://127.0.0.1:<port>`";
    "server.addr" ["ATCR_HTTP_ADDR"] Text Toml("\":5000\"")
        => "`host:port`, or a path for a Unix socket; an inherited socket goes first";
    "server.trusted_proxies" List Toml("[]") => "addresses whose `X-Forwarded-For` is believed; a Unix socket's always is";
    "default_hold" ["ATCR_DEFAULT_HOLD_DID"] Text Words("none")
        => "DID of the hold of accounts that have none of their own; without it they cannot push";
    "allowed_accounts" ["ATCR_ALLOWED_ACCOUNTS"] List Toml("[]")
        => "DIDs or handles of those who may push here; empty: whoever their hold lets";
    "allow_account_passwords" ["ATCR_ALLOW_ACCOUNT_PASSWORDS"] Flag Toml("false")
        => "`true`: an account's main password signs in as well as an app password";
    "database.path" ["ATCR_DATABASE_PATH"] Text
        Words("`$STATE_DIRECTORY/appview.db`, else `/var/lib/atcr-appview/appview.db`") => "its directory must exist";
    "auth.key_path" ["ATCR_AUTH_KEY_PATH"] Text Words("`keys/auth.key` beside the database")
        => "the key that tokens come from; made at the first start";
    "identity.plc_url" ["ATCR_PLC_DIRECTORY_URL"] Text Toml("\"https://plc.directory\"")
        => "the directory of did:plc accounts";
    "identity.handle_resolver_url" ["ATCR_HANDLE_RESOLVER_URL"] Text Words("none: the handle's own domain")
        => "a host that is asked for handles by `com.atproto.identity.resolveHandle`";
    "test_mode" ["TEST_MODE"] Flag Toml("false")
        => "plain http and loopback addresses for PDSes, the directory and holds";
    "log_level" ["ATCR_LOG_LEVEL"] Text Toml("\"info\"") => "`error` to `trace`, or a filter";
    "limits.connections" Number Toml("1024")
        => "at the limit the longest idle one is closed; while none is idle, more wait in the kernel's backlog";
    "limits.connections_per_address" Number Toml("512") => "of one address, or one /64 of IPv6; more are closed at once";
    "limits.requests_per_address" Number Toml("500") => "a second; 0: no limit";
    "limits.drain_s" Number Toml("30") => "requests in flight may take so long after SIGTERM";
}
