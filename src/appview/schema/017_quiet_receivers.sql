-- Until when the receiver of a webhook takes nothing, as it said (Retry-After), microseconds since 1970.
ALTER TABLE webhook ADD COLUMN quiet_until_us INTEGER;
