-- The distinct layers of each account together, kept with every row of `layer`, so that a quota costs one look-up.
-- Where rows differ in the size of a digest, the largest counts.

CREATE TABLE layer_total (
    account    TEXT    PRIMARY KEY,
    blobs      INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO layer_total (account, blobs, size_bytes)
    SELECT account, count(*), sum(size) FROM
        (SELECT account, max(size_bytes) AS size FROM layer GROUP BY account, digest)
    GROUP BY account;

CREATE TRIGGER layer_added AFTER INSERT ON layer BEGIN
    INSERT INTO layer_total (account, blobs, size_bytes)
    SELECT new.account,
           other.size IS NULL,
           max(0, new.size_bytes - coalesce(other.size, 0))
    FROM (SELECT (SELECT size_bytes FROM layer
                  WHERE account = new.account AND digest = new.digest AND rkey <> new.rkey
                  ORDER BY size_bytes DESC LIMIT 1) AS size) AS other
    WHERE true
    ON CONFLICT (account) DO UPDATE SET blobs = blobs + excluded.blobs, size_bytes = size_bytes + excluded.size_bytes;
END;

CREATE TRIGGER layer_removed AFTER DELETE ON layer BEGIN
    UPDATE layer_total
    SET (blobs, size_bytes) = (
        SELECT blobs - (other.size IS NULL), size_bytes - max(0, old.size_bytes - coalesce(other.size, 0))
        FROM (SELECT (SELECT size_bytes FROM layer
                      WHERE account = old.account AND digest = old.digest
                      ORDER BY size_bytes DESC LIMIT 1) AS size) AS other)
    WHERE account = old.account;
    DELETE FROM layer_total WHERE account = old.account AND blobs = 0;
END;
