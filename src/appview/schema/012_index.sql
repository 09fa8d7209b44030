-- What can be searched for: what records say of repositories, as far as it passed through here, or was learned from the
-- network. Nothing that could not be found again.

CREATE TABLE index_account (
    id        INTEGER PRIMARY KEY,
    did       TEXT    NOT NULL UNIQUE,
    -- The handle whose domain agrees, once that was asked; pages show the DID until then.
    handle    TEXT,
    -- 0: its server says that it is deactivated, suspended or taken down; nothing of it is shown.
    is_active INTEGER NOT NULL DEFAULT 1,
    -- Rows of it in the tables below.
    records   INTEGER NOT NULL DEFAULT 0,
    -- When its handle is to be asked about, and when its records are to be listed; NULL: not at all.
    ask_us    INTEGER,
    list_us   INTEGER
) STRICT;
CREATE INDEX index_account_ask ON index_account (ask_us) WHERE ask_us IS NOT NULL;
CREATE INDEX index_account_list ON index_account (list_us) WHERE list_us IS NOT NULL;
CREATE INDEX index_account_empty ON index_account (id) WHERE records = 0;
-- All there are together are counted by this one.
CREATE INDEX index_account_records ON index_account (records);

CREATE TABLE index_repository (
    id          INTEGER PRIMARY KEY,
    account     INTEGER NOT NULL REFERENCES index_account (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    -- What its newest image says of itself, and the beginning of what its owner wrote about it.
    description TEXT    NOT NULL DEFAULT '',
    page        TEXT    NOT NULL DEFAULT '',
    -- The DID of the hold of the newest image.
    hold        TEXT    NOT NULL DEFAULT '',
    platforms   TEXT    NOT NULL DEFAULT '',
    size_bytes  INTEGER NOT NULL DEFAULT 0,
    newest_tag  TEXT    NOT NULL DEFAULT '',
    tags        INTEGER NOT NULL DEFAULT 0,
    pushed_us   INTEGER NOT NULL DEFAULT 0,
    pulls       INTEGER NOT NULL DEFAULT 0,
    stars       INTEGER NOT NULL DEFAULT 0,
    -- There is an image, its hold is public, and its account is active.
    is_shown    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, name)
) STRICT;
CREATE INDEX index_repository_name ON index_repository (name, stars) WHERE is_shown = 1;
CREATE INDEX index_repository_pushed ON index_repository (pushed_us, id) WHERE is_shown = 1;
CREATE INDEX index_repository_stars ON index_repository (stars, id) WHERE is_shown = 1;
CREATE INDEX index_repository_pulls ON index_repository (pulls, id) WHERE is_shown = 1;
-- The oldest go first when there are too many, of one account or of all.
CREATE INDEX index_repository_oldest ON index_repository (pushed_us);
CREATE INDEX index_repository_of_account ON index_repository (account, pushed_us);
CREATE INDEX index_repository_hold ON index_repository (hold);

CREATE TABLE index_tag (
    account    INTEGER NOT NULL REFERENCES index_account (id) ON DELETE CASCADE,
    -- The record's key: two tags of different repositories may have the same one, and then one of them is there.
    key        TEXT    NOT NULL,
    repository INTEGER NOT NULL REFERENCES index_repository (id) ON DELETE CASCADE,
    tag        TEXT    NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    written_us INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX index_tag_digest ON index_tag (account, digest);
CREATE INDEX index_tag_repository ON index_tag (repository, written_us);

CREATE TABLE index_manifest (
    account     INTEGER NOT NULL REFERENCES index_account (id) ON DELETE CASCADE,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    repository  INTEGER NOT NULL REFERENCES index_repository (id) ON DELETE CASCADE,
    hold        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    platforms   TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    created_us  INTEGER NOT NULL,
    PRIMARY KEY (account, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX index_manifest_repository ON index_manifest (repository, created_us);

CREATE TABLE index_star (
    account INTEGER NOT NULL REFERENCES index_account (id) ON DELETE CASCADE,
    key     TEXT    NOT NULL,
    -- The repository may not be known yet.
    owner   TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX index_star_subject ON index_star (owner, name, account);

CREATE TABLE index_hold (
    did       TEXT    PRIMARY KEY,
    is_public INTEGER NOT NULL DEFAULT 0,
    -- When it is to be asked whether it is public.
    ask_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX index_hold_ask ON index_hold (ask_us);

-- How far a source of events was followed.
CREATE TABLE index_cursor (
    source TEXT    PRIMARY KEY,
    cursor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The words of each repository, under its id; the texts themselves are above. Beginnings of words of up to three characters
-- have an index of their own: those of longer ones are few.
CREATE VIRTUAL TABLE index_text USING fts5 (
    name, owner, about, tags,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2', prefix = '1 2 3'
);
