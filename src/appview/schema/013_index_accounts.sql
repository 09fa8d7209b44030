-- What was pushed through here before there was an index is found again in its owners' repositories.
INSERT OR IGNORE INTO index_account (did, ask_us, list_us) SELECT DISTINCT account, 1, 1 FROM pushed_repository;
