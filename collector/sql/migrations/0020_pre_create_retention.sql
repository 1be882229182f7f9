-- How long what was measured is kept.

CREATE TABLE vantage.retention (
    relation text PRIMARY KEY CHECK (
        relation IN ('results', 'exchanges', 'gaps', 'rollups_1h', 'rollups_1d')),
    keep interval CHECK (keep >= INTERVAL '1 day')
);
COMMENT ON TABLE vantage.retention IS
    'How long the rows of a table are kept. A collector drops whole chunks of older ones, every hour.';
COMMENT ON COLUMN vantage.retention.relation IS 'The table, of schema vantage.';
COMMENT ON COLUMN vantage.retention.keep IS 'Age at which rows may go. NULL: they stay for ever.';
INSERT INTO vantage.retention (relation, keep)
VALUES
    ('results', '35 days'),
    ('exchanges', '35 days'),
    ('gaps', '400 days'),
    ('rollups_1h', '400 days'),
    ('rollups_1d', NULL);
