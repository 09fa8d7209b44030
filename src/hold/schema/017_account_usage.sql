-- What counts in an account's quota, kept with every row, so that it costs one look-up: layers and configs of its
-- manifests, blobs that it uploaded and no manifest names yet, and what its open uploads have staged.

-- Blobs that somebody uploaded and nobody's manifest names, once for each uploader.
CREATE TABLE unreferenced_blob (
    account    TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX unreferenced_blob_digest ON unreferenced_blob (digest);

-- The distinct configs of each account's manifests.
CREATE TABLE account_config (
    account    TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    size_bytes INTEGER NOT NULL,
    manifests  INTEGER NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_config_digest ON account_config (digest);

CREATE TABLE account_usage (
    account            TEXT    PRIMARY KEY,
    layers             INTEGER NOT NULL DEFAULT 0,
    layer_bytes        INTEGER NOT NULL DEFAULT 0,
    configs            INTEGER NOT NULL DEFAULT 0,
    config_bytes       INTEGER NOT NULL DEFAULT 0,
    unreferenced       INTEGER NOT NULL DEFAULT 0,
    unreferenced_bytes INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

INSERT INTO unreferenced_blob (account, digest, size_bytes)
    SELECT account, digest, size_bytes FROM blob_uploader JOIN blob USING (digest)
    WHERE account <> ''
    AND NOT EXISTS (SELECT 1 FROM layer WHERE layer.digest = blob_uploader.digest)
    AND NOT EXISTS (SELECT 1 FROM manifest WHERE config = blob_uploader.digest);

INSERT INTO account_config (account, digest, size_bytes, manifests)
    SELECT account, config, max(coalesce(size_bytes, 0)), count(*) FROM manifest LEFT JOIN blob ON digest = config
    WHERE config IS NOT NULL GROUP BY account, config;

INSERT INTO account_usage
    SELECT account, sum(layers), sum(layer_bytes), sum(configs), sum(config_bytes), sum(blobs), sum(bytes) FROM (
        SELECT account, blobs AS layers, size_bytes AS layer_bytes, 0 AS configs, 0 AS config_bytes, 0 AS blobs, 0 AS bytes
        FROM layer_total
        UNION ALL SELECT account, 0, 0, count(*), sum(size_bytes), 0, 0 FROM account_config GROUP BY account
        UNION ALL SELECT account, 0, 0, 0, 0, count(*), sum(size_bytes) FROM unreferenced_blob GROUP BY account
    ) GROUP BY account;

-- The layers, as their totals are.
CREATE TRIGGER usage_layers_added AFTER INSERT ON layer_total BEGIN
    INSERT INTO account_usage (account, layers, layer_bytes) VALUES (new.account, new.blobs, new.size_bytes)
    ON CONFLICT (account) DO UPDATE SET layers = excluded.layers, layer_bytes = excluded.layer_bytes;
END;
CREATE TRIGGER usage_layers_changed AFTER UPDATE OF blobs, size_bytes ON layer_total BEGIN
    UPDATE account_usage SET layers = new.blobs, layer_bytes = new.size_bytes WHERE account = new.account;
END;
CREATE TRIGGER usage_layers_removed AFTER DELETE ON layer_total BEGIN
    UPDATE account_usage SET layers = 0, layer_bytes = 0 WHERE account = old.account;
END;

-- The configs.
CREATE TRIGGER config_added AFTER INSERT ON manifest WHEN new.config IS NOT NULL BEGIN
    INSERT INTO account_config (account, digest, size_bytes, manifests)
    VALUES (new.account, new.config, coalesce((SELECT size_bytes FROM blob WHERE digest = new.config), 0), 1)
    ON CONFLICT (account, digest) DO UPDATE SET manifests = manifests + 1;
END;
CREATE TRIGGER config_removed AFTER DELETE ON manifest WHEN old.config IS NOT NULL BEGIN
    UPDATE account_config SET manifests = manifests - 1 WHERE account = old.account AND digest = old.config;
    DELETE FROM account_config WHERE account = old.account AND digest = old.config AND manifests = 0;
END;
CREATE TRIGGER config_changed AFTER UPDATE OF account, config ON manifest
WHEN old.account <> new.account OR old.config IS NOT new.config BEGIN
    UPDATE account_config SET manifests = manifests - 1 WHERE account = old.account AND digest = old.config;
    DELETE FROM account_config WHERE account = old.account AND digest = old.config AND manifests = 0;
    INSERT INTO account_config (account, digest, size_bytes, manifests)
    SELECT new.account, new.config, coalesce((SELECT size_bytes FROM blob WHERE digest = new.config), 0), 1
    WHERE new.config IS NOT NULL
    ON CONFLICT (account, digest) DO UPDATE SET manifests = manifests + 1;
END;
CREATE TRIGGER usage_config_added AFTER INSERT ON account_config BEGIN
    INSERT INTO account_usage (account, configs, config_bytes) VALUES (new.account, 1, new.size_bytes)
    ON CONFLICT (account) DO UPDATE SET configs = configs + 1, config_bytes = config_bytes + excluded.config_bytes;
END;
CREATE TRIGGER usage_config_removed AFTER DELETE ON account_config BEGIN
    UPDATE account_usage SET configs = configs - 1, config_bytes = config_bytes - old.size_bytes
    WHERE account = old.account;
END;

-- A manifest that was handed over comes before its blobs.
CREATE TRIGGER config_arrived AFTER INSERT ON blob BEGIN
    UPDATE account_config SET size_bytes = new.size_bytes WHERE digest = new.digest;
END;
CREATE TRIGGER config_resized AFTER UPDATE OF size_bytes ON blob WHEN old.size_bytes <> new.size_bytes BEGIN
    UPDATE account_config SET size_bytes = new.size_bytes WHERE digest = new.digest;
END;
CREATE TRIGGER usage_config_resized AFTER UPDATE OF size_bytes ON account_config
WHEN old.size_bytes <> new.size_bytes BEGIN
    UPDATE account_usage SET config_bytes = config_bytes + new.size_bytes - old.size_bytes WHERE account = new.account;
END;

-- Blobs without a manifest: a first uploader, a first and a last manifest.
CREATE TRIGGER uploader_added AFTER INSERT ON blob_uploader
WHEN new.account <> ''
AND NOT EXISTS (SELECT 1 FROM layer WHERE digest = new.digest)
AND NOT EXISTS (SELECT 1 FROM manifest WHERE config = new.digest) BEGIN
    INSERT OR IGNORE INTO unreferenced_blob (account, digest, size_bytes)
    SELECT new.account, digest, size_bytes FROM blob WHERE digest = new.digest;
END;
CREATE TRIGGER uploader_removed AFTER DELETE ON blob_uploader BEGIN
    DELETE FROM unreferenced_blob WHERE account = old.account AND digest = old.digest;
END;
CREATE TRIGGER blob_resized AFTER UPDATE OF size_bytes ON blob WHEN old.size_bytes <> new.size_bytes BEGIN
    UPDATE unreferenced_blob SET size_bytes = new.size_bytes WHERE digest = new.digest;
END;
CREATE TRIGGER layer_references AFTER INSERT ON layer BEGIN
    DELETE FROM unreferenced_blob WHERE digest = new.digest;
END;
CREATE TRIGGER layer_dereferences AFTER DELETE ON layer
WHEN NOT EXISTS (SELECT 1 FROM layer WHERE digest = old.digest)
AND NOT EXISTS (SELECT 1 FROM manifest WHERE config = old.digest) BEGIN
    INSERT OR IGNORE INTO unreferenced_blob (account, digest, size_bytes)
    SELECT account, digest, size_bytes FROM blob_uploader JOIN blob USING (digest)
    WHERE digest = old.digest AND account <> '';
END;
CREATE TRIGGER config_references AFTER INSERT ON account_config BEGIN
    DELETE FROM unreferenced_blob WHERE digest = new.digest;
END;
CREATE TRIGGER config_dereferences AFTER DELETE ON account_config
WHEN NOT EXISTS (SELECT 1 FROM layer WHERE digest = old.digest)
AND NOT EXISTS (SELECT 1 FROM manifest WHERE config = old.digest) BEGIN
    INSERT OR IGNORE INTO unreferenced_blob (account, digest, size_bytes)
    SELECT account, digest, size_bytes FROM blob_uploader JOIN blob USING (digest)
    WHERE digest = old.digest AND account <> '';
END;
CREATE TRIGGER usage_unreferenced_added AFTER INSERT ON unreferenced_blob BEGIN
    INSERT INTO account_usage (account, unreferenced, unreferenced_bytes) VALUES (new.account, 1, new.size_bytes)
    ON CONFLICT (account) DO UPDATE
    SET unreferenced = unreferenced + 1, unreferenced_bytes = unreferenced_bytes + excluded.unreferenced_bytes;
END;
CREATE TRIGGER usage_unreferenced_removed AFTER DELETE ON unreferenced_blob BEGIN
    UPDATE account_usage
    SET unreferenced = unreferenced - 1, unreferenced_bytes = unreferenced_bytes - old.size_bytes
    WHERE account = old.account;
END;
CREATE TRIGGER usage_unreferenced_resized AFTER UPDATE OF size_bytes ON unreferenced_blob BEGIN
    UPDATE account_usage SET unreferenced_bytes = unreferenced_bytes + new.size_bytes - old.size_bytes
    WHERE account = new.account;
END;

-- Who has nothing any more needs no row.
CREATE TRIGGER usage_empty AFTER UPDATE ON account_usage
WHEN new.layers = 0 AND new.configs = 0 AND new.unreferenced = 0 BEGIN
    DELETE FROM account_usage WHERE account = new.account;
END;

-- What each open upload has staged: the parts that went through the hold, and what the store was seen to have.
ALTER TABLE upload ADD COLUMN staged_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload ADD COLUMN measured_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE upload SET
    staged_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM upload_part WHERE upload = id)
        + (SELECT coalesce(sum(size_bytes), 0) FROM bucket_part WHERE upload = id),
    measured_bytes = coalesce((SELECT size_bytes FROM bucket_upload WHERE upload = id), 0)
    WHERE digest IS NULL;

CREATE TRIGGER part_added AFTER INSERT ON upload_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes + new.size_bytes WHERE id = new.upload;
END;
CREATE TRIGGER part_replaced AFTER UPDATE OF size_bytes ON upload_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes + new.size_bytes - old.size_bytes WHERE id = new.upload;
END;
CREATE TRIGGER part_removed AFTER DELETE ON upload_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes - old.size_bytes WHERE id = old.upload;
END;
CREATE TRIGGER bucket_part_added AFTER INSERT ON bucket_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes + new.size_bytes WHERE id = new.upload;
END;
CREATE TRIGGER bucket_part_replaced AFTER UPDATE OF size_bytes ON bucket_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes + new.size_bytes - old.size_bytes WHERE id = new.upload;
END;
CREATE TRIGGER bucket_part_removed AFTER DELETE ON bucket_part BEGIN
    UPDATE upload SET staged_bytes = staged_bytes - old.size_bytes WHERE id = old.upload;
END;
