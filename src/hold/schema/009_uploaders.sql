-- Whose blobs they are, as far as uploads say it: what could be of an account that cannot be asked is not collected.

CREATE TABLE blob_uploader (
    digest  BLOB NOT NULL REFERENCES blob (digest) ON DELETE CASCADE,
    -- Who completed an upload of it; empty when storage verify --repair found its object and nobody uploaded it since.
    account TEXT NOT NULL,
    PRIMARY KEY (digest, account)
) STRICT, WITHOUT ROWID;
