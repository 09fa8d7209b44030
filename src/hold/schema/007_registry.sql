-- What the registry said of the images: an index of the records that the hold wrote for it, and what no record says.
-- The index can be made again from the records; what is in `manifest` cannot.

-- The records of io.atcr.hold.layer.
CREATE TABLE layer (
    rkey       TEXT    PRIMARY KEY,
    account    TEXT    NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    size_bytes INTEGER NOT NULL,
    -- The AT URI of the manifest that has the layer.
    manifest   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_digest ON layer (digest);
CREATE INDEX layer_manifest ON layer (manifest, digest);
-- Answers an account's distinct bytes by itself.
CREATE INDEX layer_account ON layer (account, digest, size_bytes);

-- Manifests that were pushed here. One that layers name and that is not here came with an imported repository: its
-- config is not known.
CREATE TABLE manifest (
    uri     TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    -- The digest of its config; NULL when it has none.
    config  BLOB CHECK (length(config) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX manifest_account ON manifest (account);
CREATE INDEX manifest_config ON manifest (config) WHERE config IS NOT NULL;

-- The records of io.atcr.hold.stats, and pulls that are not in them yet.
CREATE TABLE stats (
    rkey         TEXT    PRIMARY KEY,
    owner        TEXT    NOT NULL,
    repository   TEXT    NOT NULL,
    new_pulls    INTEGER NOT NULL DEFAULT 0,
    -- Of the newest of them, microseconds since 1970.
    last_pull_us INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX stats_owner ON stats (owner);
CREATE INDEX stats_new_pulls ON stats (rkey) WHERE new_pulls > 0;

-- The records of app.bsky.feed.post, by the account whose push each announces.
CREATE TABLE post (
    rkey    TEXT PRIMARY KEY,
    account TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX post_account ON post (account);
