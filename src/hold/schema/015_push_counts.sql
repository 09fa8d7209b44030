-- Pushes that the records do not count yet, as pulls.
ALTER TABLE stats ADD COLUMN new_pushes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stats ADD COLUMN last_push_us INTEGER;

DROP INDEX stats_new_pulls;
CREATE INDEX stats_new_counts ON stats (rkey) WHERE new_pulls > 0 OR new_pushes > 0;
