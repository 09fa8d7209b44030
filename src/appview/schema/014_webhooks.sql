-- Webhooks: where owners want to be told of what is pushed to their repositories, and what they are told.

CREATE TABLE webhook (
    -- Never used again: receivers know deliveries by it.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT    NOT NULL,
    repository TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    -- What deliveries are signed with.
    secret     TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    is_on      INTEGER NOT NULL DEFAULT 1,
    -- Why the registry switched it off.
    problem    TEXT,
    -- Since when no delivery succeeds, microseconds since 1970.
    failing_us INTEGER,
    UNIQUE (account, repository, url)
) STRICT;

CREATE TABLE webhook_delivery (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook   INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    -- What its receivers know the event by, of all webhooks that have it.
    event     TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    payload   TEXT    NOT NULL,
    queued_us INTEGER NOT NULL,
    -- When it is tried next; NULL: it is not any more.
    due_us    INTEGER,
    attempts  INTEGER NOT NULL DEFAULT 0,
    -- Of the last attempt: when it ended, how long it took, the status of the answer, why it failed.
    tried_us  INTEGER,
    took_ms   INTEGER,
    status    INTEGER,
    problem   TEXT
) STRICT;
-- What waits, of each webhook in its order.
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX webhook_delivery_log ON webhook_delivery (webhook, id);
CREATE INDEX webhook_delivery_queued ON webhook_delivery (queued_us);
