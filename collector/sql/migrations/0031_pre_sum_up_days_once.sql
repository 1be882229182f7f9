-- Days are summed up once, from their hours, when they are over; pages' downloads are summed up too.

CREATE TABLE vantage.rollup_progress (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    days_to_at timestamptz NOT NULL
);
COMMENT ON TABLE vantage.rollup_progress IS 'How far vantage.rollups_1d has come. One row.';
COMMENT ON COLUMN vantage.rollup_progress.is_only IS 'true, so that there is no second row.';
COMMENT ON COLUMN vantage.rollup_progress.days_to_at IS
    'The days before it are in vantage.rollups_1d, and what comes late for them is added there; '
    'those from it on are summed up from vantage.rollups_1h when they are read.';
-- The days that are there were added to by the hour, and go on so until nobody does that any more.
INSERT INTO vantage.rollup_progress (days_to_at)
SELECT date_bin('1 day', GREATEST(now(), max(bucket_at)), 'epoch')
    + CASE WHEN max(bucket_at) IS NULL THEN INTERVAL '0' ELSE INTERVAL '2 days' END
FROM vantage.rollups_1d;

-- What was stored is found by when it was.
ALTER TABLE vantage.ingested ALTER COLUMN monitor_ids DROP NOT NULL;
COMMENT ON COLUMN vantage.ingested.monitor_ids IS 'Written by older collectors, and read by none.';

ALTER TABLE vantage.rollups_1h
    ADD COLUMN resources_sum_us bigint NOT NULL DEFAULT 0,
    ADD COLUMN resources_count integer NOT NULL DEFAULT 0,
    ADD COLUMN resources_histogram numeric;
ALTER TABLE vantage.rollups_1d
    ADD COLUMN resources_sum_us bigint NOT NULL DEFAULT 0,
    ADD COLUMN resources_count integer NOT NULL DEFAULT 0,
    ADD COLUMN resources_histogram numeric;
DO $$
DECLARE
    rollup text;
BEGIN
    FOREACH rollup IN ARRAY '{rollups_1h,rollups_1d}'::text[] LOOP
        EXECUTE format('COMMENT ON COLUMN vantage.%I.resources_sum_us IS %L', rollup,
            'Sum of resources_us over those that have it: whole pages.');
        EXECUTE format('COMMENT ON COLUMN vantage.%I.resources_count IS %L', rollup,
            'Timed results that have resources_us.');
        EXECUTE format('COMMENT ON COLUMN vantage.%I.resources_histogram IS %L', rollup,
            'The same of resources_us.');
    END LOOP;
END
$$;
