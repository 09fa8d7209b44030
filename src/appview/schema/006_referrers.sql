-- Manifests that say something of another one and were pushed through here: nobody has to look through all of their
-- owner's records for them. What was pushed elsewhere is found there.
CREATE TABLE referrer (
    account       TEXT    NOT NULL,
    -- What they say something of, and their own digest.
    subject       BLOB    NOT NULL CHECK (length(subject) = 32),
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    media_type    TEXT    NOT NULL,
    size_bytes    INTEGER NOT NULL,
    artifact_type TEXT,
    -- A JSON object.
    annotations   TEXT,
    pushed_us     INTEGER NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT;
CREATE INDEX referrer_subject ON referrer (account, subject, digest);
