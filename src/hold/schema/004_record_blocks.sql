-- The index of records leads to the row of each block. Records that were written together lie together, so that a page
-- of them reads few pages of the file; by their CIDs they would lie anywhere.
-- The row's number gets a name, for only such numbers stay as they are when the database is vacuumed.

CREATE TABLE numbered_block (
    number INTEGER PRIMARY KEY,
    cid    BLOB NOT NULL UNIQUE,
    rev    TEXT NOT NULL,
    bytes  BLOB NOT NULL
) STRICT;
INSERT INTO numbered_block (number, cid, rev, bytes) SELECT rowid, cid, rev, bytes FROM block ORDER BY rowid;

CREATE TABLE leading_record (
    collection TEXT    NOT NULL,
    rkey       TEXT    NOT NULL,
    cid        BLOB    NOT NULL,
    -- The number of the block with this CID.
    block      INTEGER NOT NULL,
    PRIMARY KEY (collection, rkey)
) STRICT, WITHOUT ROWID;
INSERT INTO leading_record (collection, rkey, cid, block)
    SELECT collection, rkey, cid, number FROM record JOIN numbered_block USING (cid);

DROP TABLE record;
DROP TABLE block;
ALTER TABLE numbered_block RENAME TO block;
ALTER TABLE leading_record RENAME TO record;
CREATE INDEX block_rev ON block (rev);
CREATE INDEX record_cid ON record (cid);
