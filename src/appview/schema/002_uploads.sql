-- Uploads of blobs that are under way, and what the hold has of them.

CREATE TABLE upload (
    id           BLOB    PRIMARY KEY CHECK (length(id) = 16),
    account      TEXT    NOT NULL,
    -- The session by which the hold is called.
    session      INTEGER NOT NULL,
    repository   TEXT    NOT NULL,
    -- The hold's address, and its own name of the upload.
    hold         TEXT    NOT NULL,
    hold_upload  TEXT    NOT NULL,
    -- Bytes that are there; those beyond sent_bytes are in a file of this machine.
    offset_bytes INTEGER NOT NULL,
    sent_bytes   INTEGER NOT NULL CHECK (sent_bytes <= offset_bytes),
    -- SHA-256 of all of them, unfinished.
    hash_state   BLOB    NOT NULL,
    touched_us   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_touched ON upload (touched_us);

CREATE TABLE upload_part (
    upload BLOB    NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    etag   TEXT    NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- What holds are still to be told of manifests.
CREATE TABLE notice (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    account  TEXT    NOT NULL,
    session  INTEGER NOT NULL,
    hold     TEXT    NOT NULL,
    -- The input of notifyManifest, as JSON.
    notice   TEXT    NOT NULL,
    attempts INTEGER NOT NULL,
    due_us   INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_due ON notice (due_us);
