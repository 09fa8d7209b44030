-- Repositories that were pushed to through here: what the front page shows, and nothing that could not be found again.
CREATE TABLE pushed_repository (
    account   TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    -- The hold of the last push: whether its blobs are public is asked of it.
    hold      TEXT    NOT NULL,
    pushed_us INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_repository_recent ON pushed_repository (pushed_us);
