-- DID documents of the captain and of members, as they were read last: for a start while their source is away.

CREATE TABLE known_document (
    did      TEXT    PRIMARY KEY,
    -- The key, the handle and the PDS of the account, as a DID document.
    document TEXT    NOT NULL,
    -- Microseconds since 1970.
    read_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX known_document_read ON known_document (read_us);
