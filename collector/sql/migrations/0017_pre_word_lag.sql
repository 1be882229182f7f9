COMMENT ON COLUMN vantage.results.lag_us IS
    'By how much a phase may be wrong, at most, because the agent was held up; what suspect is judged by.';
