-- What bounds growth asks for, kept with every row, so that it costs one look-up.

-- All events together.
CREATE TABLE event_total (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    bytes INTEGER NOT NULL
) STRICT;

INSERT INTO event_total (id, bytes) SELECT 1, coalesce(sum(length(frame)), 0) FROM event;

CREATE TRIGGER event_added AFTER INSERT ON event BEGIN
    UPDATE event_total SET bytes = bytes + length(new.frame) WHERE id = 1;
END;

CREATE TRIGGER event_removed AFTER DELETE ON event BEGIN
    UPDATE event_total SET bytes = bytes - length(old.frame) WHERE id = 1;
END;

-- The layer records of each account, in the same row as its other totals.
ALTER TABLE layer_total ADD COLUMN records INTEGER NOT NULL DEFAULT 0;
UPDATE layer_total SET records = (SELECT count(*) FROM layer WHERE account = layer_total.account);

DROP TRIGGER layer_added;
CREATE TRIGGER layer_added AFTER INSERT ON layer BEGIN
    INSERT INTO layer_total (account, blobs, size_bytes, records)
    SELECT new.account,
           other.size IS NULL,
           max(0, new.size_bytes - coalesce(other.size, 0)),
           1
    FROM (SELECT (SELECT size_bytes FROM layer
                  WHERE account = new.account AND digest = new.digest AND rkey <> new.rkey
                  ORDER BY size_bytes DESC LIMIT 1) AS size) AS other
    WHERE true
    ON CONFLICT (account) DO UPDATE
    SET blobs = blobs + excluded.blobs, size_bytes = size_bytes + excluded.size_bytes, records = records + 1;
END;

DROP TRIGGER layer_removed;
CREATE TRIGGER layer_removed AFTER DELETE ON layer BEGIN
    UPDATE layer_total
    SET (blobs, size_bytes, records) = (
        SELECT blobs - (other.size IS NULL), size_bytes - max(0, old.size_bytes - coalesce(other.size, 0)), records - 1
        FROM (SELECT (SELECT size_bytes FROM layer
                      WHERE account = old.account AND digest = old.digest
                      ORDER BY size_bytes DESC LIMIT 1) AS size) AS other)
    WHERE account = old.account;
    DELETE FROM layer_total WHERE account = old.account AND blobs = 0;
END;

-- The manifests of each account.
CREATE TABLE manifest_total (
    account   TEXT    PRIMARY KEY,
    manifests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO manifest_total (account, manifests) SELECT account, count(*) FROM manifest GROUP BY account;

CREATE TRIGGER manifest_added AFTER INSERT ON manifest BEGIN
    INSERT INTO manifest_total (account, manifests) VALUES (new.account, 1)
    ON CONFLICT (account) DO UPDATE SET manifests = manifests + 1;
END;

CREATE TRIGGER manifest_removed AFTER DELETE ON manifest BEGIN
    UPDATE manifest_total SET manifests = manifests - 1 WHERE account = old.account;
    DELETE FROM manifest_total WHERE account = old.account AND manifests = 0;
END;
