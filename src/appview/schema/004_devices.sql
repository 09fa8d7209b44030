-- Devices that act for accounts, programs that wait to become one, and browsers that are signed in.

CREATE TABLE device_request (
    -- SHA-256 of what the program asks with.
    code       BLOB    PRIMARY KEY CHECK (length(code) = 32),
    -- What a person compares.
    user_code  TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    address    TEXT,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    polled_us  INTEGER NOT NULL,
    interval_s INTEGER NOT NULL,
    -- Who let it in.
    account    TEXT,
    denied     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX device_request_expires ON device_request (expires_us);
CREATE INDEX device_request_address ON device_request (address);

CREATE TABLE device (
    -- Never used again: tokens name it.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    -- SHA-256 of what it signs in with.
    secret     BLOB    NOT NULL UNIQUE CHECK (length(secret) = 32),
    name       TEXT    NOT NULL,
    address    TEXT,
    created_us INTEGER NOT NULL,
    used_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX device_account ON device (account);

CREATE TABLE browser_session (
    -- SHA-256 of the browser's cookie.
    cookie     BLOB    PRIMARY KEY CHECK (length(cookie) = 32),
    account    TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX browser_session_expires ON browser_session (expires_us);
