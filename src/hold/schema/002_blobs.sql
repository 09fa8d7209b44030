-- Blobs that were proven and acknowledged, and the uploads that may become blobs.

CREATE TABLE blob (
    digest       BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    size_bytes   INTEGER NOT NULL,
    -- When an upload last completed with this digest, microseconds since 1970.
    completed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE upload (
    id         BLOB    PRIMARY KEY CHECK (length(id) = 16),
    account    TEXT    NOT NULL,
    -- When the upload began, a part was received, or it finished; microseconds since 1970.
    touched_us INTEGER NOT NULL,
    -- The blob that it became; NULL while it is open.
    digest     BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_open ON upload (account) WHERE digest IS NULL;
CREATE INDEX upload_touched ON upload (touched_us);

-- Parts whose bytes are on disk. Either appended to the upload's one file (start_offset and hash_state),
-- or in a file of its own (file).
CREATE TABLE upload_part (
    upload       BLOB    NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    size_bytes   INTEGER NOT NULL,
    etag         TEXT    NOT NULL,
    start_offset INTEGER,
    -- SHA-256 of everything up to this part's end, unfinished.
    hash_state   BLOB,
    file         TEXT,
    PRIMARY KEY (upload, number),
    CHECK ((start_offset IS NULL) = (hash_state IS NULL) AND (start_offset IS NULL) <> (file IS NULL))
) STRICT, WITHOUT ROWID;
