-- What a migration of the blobs to another storage has done, so that one that was cut off goes on where it was.

CREATE TABLE migration (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    -- The storage that the blobs are copied to.
    target TEXT    NOT NULL
) STRICT;

-- Blobs that are in the target, and whose bytes there were proven.
CREATE TABLE copied (
    digest BLOB PRIMARY KEY REFERENCES blob (digest) ON DELETE CASCADE,
    -- The target's own name for the object that was proven.
    etag   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
