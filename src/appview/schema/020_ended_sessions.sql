-- Sessions that have ended here, whose servers are still to be told so. A row goes with the server's answer, or after a day.
CREATE TABLE ended_session (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    account  TEXT    NOT NULL,
    refresh  TEXT    NOT NULL,
    -- Of a session by OAuth, as in pds_session.
    issuer   TEXT,
    key      BLOB    CHECK (length(key) = 32),
    ended_us INTEGER NOT NULL,
    due_us   INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX ended_session_due ON ended_session (due_us);
CREATE INDEX ended_session_account ON ended_session (account);
