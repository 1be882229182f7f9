-- How long a plan keeps results, where that is shorter than the installation keeps them.
ALTER TABLE vantage.plans ADD COLUMN max_results_days integer CHECK (max_results_days BETWEEN 1 AND 36500);
COMMENT ON COLUMN vantage.plans.max_results_days IS
    'Age in days at which its accounts'' results and their exchanges are removed, unless '
    'vantage.accounts.results_kept_days has them go sooner; hours and days stay. NULL: when the '
    'installation removes everybody''s.';
