-- What is asked of one account is answered from its rows alone.

CREATE INDEX upload_account ON upload (account);
CREATE INDEX notice_account ON notice (account);
