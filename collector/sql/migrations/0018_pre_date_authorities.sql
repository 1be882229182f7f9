-- While one authority replaces another, both are trusted and one of them signs.

ALTER TABLE vantage.authorities ADD COLUMN signs_from timestamptz;
UPDATE vantage.authorities SET signs_from = created_at;
ALTER TABLE vantage.authorities ALTER COLUMN signs_from SET NOT NULL;
COMMENT ON COLUMN vantage.authorities.signs_from IS
    'From when on it signs certificates; the newest of those that have begun is in use.';
COMMENT ON COLUMN vantage.authorities.created_at IS 'When a collector first told of it.';
