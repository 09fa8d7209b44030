-- Sessions at accounts' PDSes: one for each password that an account signed in with.

CREATE TABLE pds_session (
    -- Never used again: tokens name it.
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    account   TEXT    NOT NULL,
    -- HMAC of the password, under a key that is not in this file.
    password  BLOB    NOT NULL CHECK (length(password) = 32),
    access    TEXT    NOT NULL,
    refresh   TEXT    NOT NULL,
    -- When the PDS last said that it is good, microseconds since 1970.
    proven_us INTEGER NOT NULL,
    UNIQUE (account, password)
) STRICT;
