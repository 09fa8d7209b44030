-- Blobs that the repository's own records refer to, such as the profile's picture. Image blobs are in the blob store.
-- They are small and few, so they live here: in the transaction of the records, and in their backup.

CREATE TABLE record_blob (
    cid              BLOB NOT NULL UNIQUE,
    mime_type        TEXT NOT NULL,
    -- NULL: a record of an imported repository refers to it, but its bytes were not uploaded here yet.
    bytes            BLOB,
    -- When it was uploaded, microseconds since 1970, while no record refers to it; else NULL.
    waiting_since_us INTEGER,
    CHECK (bytes IS NOT NULL OR waiting_since_us IS NULL)
) STRICT;
CREATE INDEX record_blob_waiting ON record_blob (waiting_since_us) WHERE waiting_since_us IS NOT NULL;

-- Which record refers to which blob.
CREATE TABLE blob_reference (
    cid        BLOB NOT NULL REFERENCES record_blob (cid),
    collection TEXT NOT NULL,
    rkey       TEXT NOT NULL,
    -- Of the commit that wrote the record.
    rev        TEXT NOT NULL,
    PRIMARY KEY (cid, collection, rkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_reference_record ON blob_reference (collection, rkey);
