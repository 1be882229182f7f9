-- The hours of a day are found in a week's chunk without reading the others. They lie in the order in
-- which they came, so the smallest of indexes will do, and no update touches it.
CREATE INDEX rollups_1h_bucket ON vantage.rollups_1h USING brin (bucket_at)
    WITH (pages_per_range = 32, autosummarize = on);
