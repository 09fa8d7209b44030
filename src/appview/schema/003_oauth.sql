-- Sessions by OAuth beside those by password: their tokens are bound to a key, and an account has one at most.

ALTER TABLE pds_session RENAME TO password_session;
CREATE TABLE pds_session (
    -- Never used again: tokens name it.
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    account   TEXT    NOT NULL,
    -- HMAC of the password, under a key that is not in this file; of a session by OAuth nothing.
    password  BLOB    CHECK (length(password) = 32),
    access    TEXT    NOT NULL,
    refresh   TEXT    NOT NULL,
    -- When the PDS last said that it is good, microseconds since 1970.
    proven_us INTEGER NOT NULL,
    -- Of a session by OAuth: the server that made it, and the private key that its tokens are bound to.
    issuer    TEXT,
    key       BLOB    CHECK (length(key) = 32),
    CHECK ((password IS NULL) = (issuer IS NOT NULL)),
    CHECK ((issuer IS NULL) = (key IS NULL)),
    UNIQUE (account, password)
) STRICT;
CREATE UNIQUE INDEX pds_session_by_oauth ON pds_session (account) WHERE password IS NULL;
INSERT INTO pds_session (id, account, password, access, refresh, proven_us)
SELECT id, account, password, access, refresh, proven_us FROM password_session;
-- Numbers that were used go on being used up.
DELETE FROM sqlite_sequence WHERE name = 'pds_session';
INSERT INTO sqlite_sequence (name, seq) SELECT 'pds_session', seq FROM sqlite_sequence WHERE name = 'password_session';
DROP TABLE password_session;

-- Sign-ins by OAuth that were begun, until the browser comes back or they expire.
CREATE TABLE sign_in (
    -- SHA-256 of what the browser brings back.
    state      BLOB    PRIMARY KEY CHECK (length(state) = 32),
    -- SHA-256 of the browser's cookie: no other may end it.
    browser    BLOB    NOT NULL CHECK (length(browser) = 32),
    account    TEXT    NOT NULL,
    issuer     TEXT    NOT NULL,
    verifier   TEXT    NOT NULL,
    key        BLOB    NOT NULL CHECK (length(key) = 32),
    -- The code of a device that is to be let in afterwards.
    user_code  TEXT,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_expires ON sign_in (expires_us);
