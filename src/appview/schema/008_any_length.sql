-- Whether the hold of an upload takes parts of any length, also of one that is not announced.
ALTER TABLE upload ADD COLUMN any_length INTEGER NOT NULL DEFAULT 0;
