//! The table of options, for the file, the environment variables, reloads and the manual.

server::options! {
    Restart "base_url" ["ATCR_BASE_URL"] Text Words("required")
        => "where clients reach the registry: `https://<host>`, or `http://localhost:<port>` or `http://127.0.0.1:<port>`";
    Restart "server.addr" ["ATCR_HTTP_ADDR"] Text Toml("\":5000\"")
        => "`host:port`, or a path for a Unix socket; an inherited socket goes first";
    Restart "server.trusted_proxies" List Toml("[]")
        => "addresses whose `X-Forwarded-For` is believed; a Unix socket's always is";
    Live "default_hold" ["ATCR_DEFAULT_HOLD_DID"] Text Words("none")
        => "DID of the hold of accounts that have none of their own; without it they cannot push";
    Live "allowed_accounts" ["ATCR_ALLOWED_ACCOUNTS"] List Toml("[]")
        => "DIDs or handles of those who may push here; empty: whoever their hold lets";
    Restart "allow_account_passwords" ["ATCR_ALLOW_ACCOUNT_PASSWORDS"] Flag Toml("false")
        => "`true`: an account's main password signs in as well as an app password";
    Live "proxy_blobs" ["ATCR_PROXY_BLOBS"] Flag Toml("false")
        => "`true`: pulls pass through here; `false`: clients are sent to the hold (307), which is faster";
    Restart "ui_enabled" ["ATCR_UI_ENABLED"] Flag Toml("true")
        => "`false`: no pages for people, so nobody signs in by a browser";
    Restart "jetstream_urls" ["ATCR_JETSTREAM_URLS"] List Toml("[]")
        => "`wss://` addresses of Jetstream: what happens in the network can be searched for; one is followed, the next one when \
            it fails";
    Restart "relay_url" ["ATCR_RELAY_URL"] Text Words("none")
        => "base URL of a relay or a PDS: asked once who has images, and followed where there is no Jetstream";
    Restart "database.path" ["ATCR_DATABASE_PATH"] (or "ATCR_UI_DATABASE_PATH") Text
        Words("`$STATE_DIRECTORY/appview.db`, else `/var/lib/atcr-appview/appview.db`") => "its directory must exist";
    Restart "auth.key" ["ATCR_AUTH_KEY"] Secret Words("none")
        => "the key that tokens come from, 64 hexadecimal digits, instead of the file at `auth.key_path`";
    Restart "auth.key_path" ["ATCR_AUTH_KEY_PATH"] Text Words("`keys/auth.key` beside the database")
        => "the file of that key; made at the first start";
    Restart "oauth.key_path" ["ATCR_OAUTH_KEY_PATH"] Text Words("`keys/oauth.key` beside the database")
        => "the file of the key by which PDSes know this registry as an OAuth client; made once";
    Restart "admin.socket" ["ATCR_ADMIN_SOCKET"] Text
        Words("`$RUNTIME_DIRECTORY/admin.sock`, else `admin.sock` beside the database")
        => "through it commands reach the running registry";
    Restart "metrics.addr" ["ATCR_METRICS_ADDR"] Text Words("none") => "where metrics are given, like `server.addr`";
    Restart "identity.plc_url" ["ATCR_PLC_DIRECTORY_URL"] Text Toml("\"https://plc.directory\"")
        => "the directory of did:plc accounts";
    Restart "identity.handle_resolver_url" ["ATCR_HANDLE_RESOLVER_URL"] Text Words("none: the DNS and the handle's own domain")
        => "a host that is asked for handles by `com.atproto.identity.resolveHandle`";
    Restart "test_mode" ["TEST_MODE"] Flag Toml("false")
        => "plain http and loopback addresses for PDSes, the directory and holds";
    Restart "log_level" ["ATCR_LOG_LEVEL"] Text Toml("\"info\"") => "`error` to `trace`, or a filter";
    Restart "limits.connections" Number Toml("1024")
        => "at the limit the longest idle one is closed; while none is idle, more wait in the kernel's backlog";
    Restart "limits.connections_per_address" Number Toml("512")
        => "of one address, or one /64 of IPv6; more are closed at once";
    Live "limits.requests_per_address" Number Toml("500") => "a second; 0: no limit";
    // A PDS allows 30 passwords of an account within five minutes from this registry; strangers share 15 of them.
    Restart "limits.passwords_per_address" Number Toml("10")
        => "new passwords of one account that one address may try within five minutes, ten times as many a day; 429 beyond";
    // The same limit as a hold's. Each upload is a row, and a file of up to 16 MiB.
    Restart "limits.uploads_per_account" Number Toml("64") => "open uploads; 429 beyond";
    // An account gets one more upload only if at least as many are free as it has: sixteen accounts that take all they
    // get leave 31.
    Restart "limits.uploads_total" Number Toml("1024") => "the same, of all accounts; 503 beyond";
    // An incomplete part of at most 16 MiB for each of the 32 requests with which one account may send bytes at once.
    Restart "limits.spool_bytes_per_account" Number Toml("536870912")
        => "512 MiB of an account's uploads may wait on this disk for the rest of a part; 429 beyond";
    // The database's log has up to 16 MiB, and sessions, uploads and notices some megabytes more.
    Restart "limits.reserve_bytes" Number Toml("67108864")
        => "64 MiB of the disk are left free by what is received; 507 beyond";
    // 10,000 repositories of 50 tags and manifests took 228 MB: tests/bench/README.md.
    Restart "limits.index_records" Number Toml("1000000")
        => "tags, manifests, stars and repositories that can be searched for, about 250 MB; the oldest repositories go";
    Restart "limits.webhooks_per_account" Number Toml("20")
        => "whom an account may have told of what is pushed; 0: nobody, and nothing is sent";
    // Each webhook has 50 deliveries of about 1 KB at most.
    Restart "limits.webhooks_total" Number Toml("10000") => "the same, of all accounts, about 500 MB at most";
    Restart "limits.drain_s" Number Toml("30") => "requests in flight may take so long after SIGTERM";
}
