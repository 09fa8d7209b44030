-- The storage of the blobs: the id in its marker, and where a migration copied every blob to.
CREATE TABLE storage (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT,
  migrated_to TEXT
) STRICT;
