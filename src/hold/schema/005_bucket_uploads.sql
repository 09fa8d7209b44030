-- Uploads whose bytes go to a bucket.

CREATE TABLE bucket_upload (
    upload     BLOB    PRIMARY KEY REFERENCES upload (id) ON DELETE CASCADE,
    -- The store's name for the upload in parts.
    multipart  TEXT    NOT NULL,
    -- 1 when the store may have other bytes than those the hold saw: a URL of the store was given out, or a part was
    -- sent more than once.
    unseen     INTEGER NOT NULL CHECK (unseen IN (0, 1)),
    -- The staged object, once the parts were put together.
    size_bytes INTEGER,
    etag       TEXT,
    -- Its SHA-256, once it is known.
    digest     BLOB,
    CHECK ((size_bytes IS NULL) = (etag IS NULL) AND (digest IS NULL OR etag IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Parts that were sent through the hold into a bucket.
CREATE TABLE bucket_part (
    upload     BLOB    NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    -- As the store answered it, without quotes; empty while the part is on its way, or when it never arrived.
    etag       TEXT    NOT NULL,
    -- SHA-256 of everything up to this part's end, unfinished; NULL when a part before it is not known.
    hash_state BLOB,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
