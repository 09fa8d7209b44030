-- Where somebody is signed in is asked of one account.
CREATE INDEX browser_session_account ON browser_session (account, created_us);

-- When a session by OAuth was begun: those of a client on one's own machine end two weeks later.
ALTER TABLE pds_session ADD COLUMN begun_us INTEGER;
