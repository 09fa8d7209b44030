-- What the captain refuses to whom. It outlives what an account does with its own data.

CREATE TABLE crew_ban (
    account     TEXT    PRIMARY KEY,
    -- What a request to join may still grant, separated by commas; empty when nothing.
    permissions TEXT    NOT NULL,
    -- Microseconds since 1970.
    since_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
