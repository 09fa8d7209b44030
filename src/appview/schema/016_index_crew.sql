-- Who may write to which of the holds that are asked: the menu of the settings shows them.
CREATE TABLE index_crew (
    hold   TEXT NOT NULL REFERENCES index_hold (did) ON DELETE CASCADE,
    member TEXT NOT NULL,
    PRIMARY KEY (hold, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX index_crew_member ON index_crew (member, hold);
-- How many holds an account names.
CREATE INDEX index_repository_account_hold ON index_repository (account, hold);
-- Each known hold is asked once.
UPDATE index_hold SET ask_us = 0;
