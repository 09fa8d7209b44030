-- The signed repository: its head, its blocks, its records by name, and its events.

CREATE TABLE repo (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    did        TEXT    NOT NULL,
    commit_cid BLOB    NOT NULL,
    data_cid   BLOB    NOT NULL,
    rev        TEXT    NOT NULL,
    -- Sequence numbers are never reused, also after events were pruned.
    last_seq   INTEGER NOT NULL
) STRICT;

-- Every block that the current commit reaches: the commit, tree nodes, records.
CREATE TABLE block (
    cid   BLOB NOT NULL UNIQUE,
    rev   TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
CREATE INDEX block_rev ON block (rev);

CREATE TABLE record (
    collection TEXT NOT NULL,
    rkey       TEXT NOT NULL,
    cid        BLOB NOT NULL,
    PRIMARY KEY (collection, rkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_cid ON record (cid);

-- What subscribers of the firehose are sent, as complete frames.
CREATE TABLE event (
    seq     INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    frame   BLOB    NOT NULL
) STRICT;

-- What must change together with the repository but is not published, by name.
CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
