-- Manifests that holds did not take although their push was acknowledged: for their owners to see. A row goes when the
-- hold takes the manifest after all, with the manifest, or after 30 days.
CREATE TABLE refused_notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    manifest   TEXT    NOT NULL,
    hold       TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    problem    TEXT    NOT NULL,
    refused_us INTEGER NOT NULL,
    UNIQUE (account, manifest, hold)
) STRICT;
CREATE INDEX refused_notice_account ON refused_notice (account);
CREATE INDEX refused_notice_time ON refused_notice (refused_us);
