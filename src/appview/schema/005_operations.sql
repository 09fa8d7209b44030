-- What an operator asks of the queue of notices: since when they wait, and why.

ALTER TABLE notice ADD COLUMN queued_us INTEGER NOT NULL DEFAULT 0;
UPDATE notice SET queued_us = due_us;
ALTER TABLE notice ADD COLUMN problem TEXT;
CREATE INDEX notice_queued ON notice (queued_us);

-- Sessions that nobody used for long are removed.
CREATE INDEX pds_session_proven ON pds_session (proven_us);
