-- The counts of outcomes and the histogram of the whole, of hours that are over: what pages about many
-- monitors read of an hour, a tenth of its bytes.
CREATE TABLE vantage.totals_1h (
    bucket_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    monitor_id integer NOT NULL,
    run integer NOT NULL,
    up integer NOT NULL,
    degraded integer NOT NULL,
    down integer NOT NULL,
    suspect_down integer NOT NULL,
    location text NOT NULL,
    total_histogram numeric
);
COMMENT ON TABLE vantage.totals_1h IS
    'What many-monitor questions are about of vantage.rollups_1h, of the hours that are over. Kept by '
    'the collector; what comes late is added to both.';
DO $$
DECLARE
    passed record;
BEGIN
    FOR passed IN
        SELECT kept.attname AS name, col_description(source.attrelid, source.attnum) AS comment
        FROM pg_attribute AS kept
        JOIN pg_attribute AS source ON source.attname = kept.attname
            AND source.attrelid = 'vantage.rollups_1h'::regclass
        WHERE kept.attrelid = 'vantage.totals_1h'::regclass AND kept.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN vantage.totals_1h.%I IS %L', passed.name, passed.comment);
    END LOOP;
END
$$;
SELECT create_hypertable(
    'vantage.totals_1h', 'bucket_at', chunk_time_interval => INTERVAL '7 days',
    create_default_indexes => false);
CREATE UNIQUE INDEX totals_1h_monitor ON vantage.totals_1h (monitor_id, bucket_at, location);

-- The last 35 days are made up for in the background, hour by hour; what was before is read from
-- vantage.rollups_1h.
ALTER TABLE vantage.rollup_progress
    ADD COLUMN hours_from_at timestamptz NOT NULL
        DEFAULT date_bin('1 hour', now() - INTERVAL '35 days', 'epoch'),
    ADD COLUMN hours_to_at timestamptz NOT NULL
        DEFAULT date_bin('1 hour', now() - INTERVAL '35 days', 'epoch');
COMMENT ON TABLE vantage.rollup_progress IS
    'How far vantage.totals_1h, vantage.rollups_1d and vantage.medians have come. One row.';
COMMENT ON COLUMN vantage.rollup_progress.hours_from_at IS
    'From when on vantage.totals_1h is kept; what was before is read from vantage.rollups_1h.';
COMMENT ON COLUMN vantage.rollup_progress.hours_to_at IS
    'The hours before it are in vantage.totals_1h, and what comes late for them is added there; those '
    'from it on are read from vantage.rollups_1h.';

ALTER TABLE vantage.retention DROP CONSTRAINT retention_relation_check;
ALTER TABLE vantage.retention ADD CONSTRAINT retention_relation_check CHECK (
    relation IN ('results', 'exchanges', 'gaps', 'medians', 'totals_1h', 'rollups_1h', 'rollups_1d'));
INSERT INTO vantage.retention (relation, keep) VALUES ('totals_1h', '40 days');
