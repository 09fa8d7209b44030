-- Blobs that nothing needs any more.

-- When somebody last asked for the blob, microseconds since 1970, written down now and then; NULL when nobody did.
ALTER TABLE blob ADD COLUMN asked_us INTEGER;

-- Blobs without a row whose objects go. A row is gone when its object is, or when the blob has a row again.
CREATE TABLE doomed (
    digest     BLOB    PRIMARY KEY CHECK (length(digest) = 32),
    size_bytes INTEGER NOT NULL,
    -- When the store was last asked to remove the object, microseconds since 1970.
    removed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_digest ON upload (digest) WHERE digest IS NOT NULL;
