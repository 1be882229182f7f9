-- How long an account's results are kept, where that is shorter than the installation keeps them.
ALTER TABLE vantage.accounts
    ADD COLUMN results_kept_days integer CHECK (results_kept_days BETWEEN 1 AND 36500);
COMMENT ON COLUMN vantage.accounts.results_kept_days IS
    'Age in days at which the account''s results and their exchanges are removed; hours and days stay. '
    'NULL: when the installation removes everybody''s, which it does anyhow.';
