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

-- The layer records and manifests of each account together.
CREATE TABLE account_total (
    account TEXT    PRIMARY KEY,
    records INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO account_total (account, records)
    SELECT account, count(*) FROM (SELECT account FROM layer UNION ALL SELECT account FROM manifest) GROUP BY account;

CREATE TRIGGER layer_counted AFTER INSERT ON layer BEGIN
    INSERT INTO account_total (account, records) VALUES (new.account, 1)
    ON CONFLICT (account) DO UPDATE SET records = records + 1;
END;

CREATE TRIGGER layer_uncounted AFTER DELETE ON layer BEGIN
    UPDATE account_total SET records = records - 1 WHERE account = old.account;
    DELETE FROM account_total WHERE account = old.account AND records = 0;
END;

CREATE TRIGGER manifest_counted AFTER INSERT ON manifest BEGIN
    INSERT INTO account_total (account, records) VALUES (new.account, 1)
    ON CONFLICT (account) DO UPDATE SET records = records + 1;
END;

CREATE TRIGGER manifest_uncounted AFTER DELETE ON manifest BEGIN
    UPDATE account_total SET records = records - 1 WHERE account = old.account;
    DELETE FROM account_total WHERE account = old.account AND records = 0;
END;
