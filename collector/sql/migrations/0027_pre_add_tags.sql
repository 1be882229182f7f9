-- Words that an account's monitors are grouped by.
ALTER TABLE vantage.monitors ADD COLUMN tags text[] NOT NULL DEFAULT '{}'
    CHECK (cardinality(tags) <= 20 AND array_position(tags, NULL) IS NULL);
COMMENT ON COLUMN vantage.monitors.tags IS
    'Words that monitors are grouped by, in lower case and order; empty: none.';
