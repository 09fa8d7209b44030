-- The page that a sign-in returns to, of which the approval of a device is one.
ALTER TABLE sign_in RENAME COLUMN user_code TO return_to;
