-- The names that the field has for these things. Nothing else changes.

ALTER TABLE blob RENAME COLUMN asked_us TO last_used_us;
ALTER TABLE bucket_upload RENAME COLUMN unseen TO bypassed_hold;
ALTER TABLE doomed RENAME TO pending_deletion;
ALTER TABLE note RENAME TO meta;
