-- Ten minutes of each pair as charts show them: a day's course is read from a tenth of its results.
CREATE TABLE vantage.medians (
    bucket_at timestamptz NOT NULL,
    slot_at timestamptz NOT NULL,
    failed_slot_at timestamptz,
    monitor_id integer NOT NULL,
    run integer NOT NULL,
    down integer NOT NULL,
    timed integer NOT NULL,
    total_us integer NOT NULL,
    redirect_us integer NOT NULL,
    dns_us integer,
    connect_us integer,
    tls_us integer,
    send_us integer,
    wait_us integer,
    receive_us integer,
    resources_us integer,
    location text NOT NULL,
    total_histogram numeric
);
COMMENT ON TABLE vantage.medians IS
    'The median result of a monitor at a location in each ten minutes that are over. Made by the '
    'collector, once; made anew when results come late. Read it with vantage.course.';
COMMENT ON COLUMN vantage.medians.bucket_at IS 'When the ten minutes began.';
COMMENT ON COLUMN vantage.medians.slot_at IS
    'Slot of the median result: by total_us, of those that are neither down nor suspect. Where there '
    'is none of these: of the fastest that is not down, else of the one that failed fastest.';
COMMENT ON COLUMN vantage.medians.failed_slot_at IS
    'Slot of the first result that was down. NULL: none was.';
COMMENT ON COLUMN vantage.medians.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.medians.run IS 'Results of the schedule.';
COMMENT ON COLUMN vantage.medians.down IS 'Results that were down.';
COMMENT ON COLUMN vantage.medians.timed IS 'Results that were neither down nor suspect.';
COMMENT ON COLUMN vantage.medians.total_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.redirect_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.dns_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.connect_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.tls_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.send_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.wait_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.receive_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.resources_us IS 'The median result''s.';
COMMENT ON COLUMN vantage.medians.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.medians.total_histogram IS
    'Histogram of total_us over the timed results, for vantage.merge and vantage.percentile. NULL: '
    'there is none.';
SELECT create_hypertable(
    'vantage.medians', 'bucket_at', chunk_time_interval => INTERVAL '1 day',
    create_default_indexes => false);
CREATE UNIQUE INDEX medians_monitor_location ON vantage.medians (monitor_id, location, bucket_at);

-- The last day is made up for, in the background; until then, and for what was before, charts are made
-- of the results.
ALTER TABLE vantage.rollup_progress
    ADD COLUMN medians_from_at timestamptz NOT NULL
        DEFAULT date_bin('10 minutes', now() - INTERVAL '25 hours', 'epoch'),
    ADD COLUMN medians_to_at timestamptz NOT NULL
        DEFAULT date_bin('10 minutes', now() - INTERVAL '25 hours', 'epoch'),
    ADD COLUMN medians_monitor_id integer NOT NULL DEFAULT 0;
COMMENT ON TABLE vantage.rollup_progress IS
    'How far vantage.rollups_1d and vantage.medians have come. One row.';
COMMENT ON COLUMN vantage.rollup_progress.medians_from_at IS
    'From when on vantage.medians is kept; before, vantage.course makes it from vantage.results.';
COMMENT ON COLUMN vantage.rollup_progress.medians_to_at IS
    'The ten minutes before it are in vantage.medians, and made anew for what comes late.';
COMMENT ON COLUMN vantage.rollup_progress.medians_monitor_id IS
    'Of the ten minutes that begin at medians_to_at, those of the monitors with a lesser id are, too.';

ALTER TABLE vantage.retention DROP CONSTRAINT retention_relation_check;
ALTER TABLE vantage.retention ADD CONSTRAINT retention_relation_check CHECK (
    relation IN ('results', 'exchanges', 'gaps', 'medians', 'rollups_1h', 'rollups_1d'));
INSERT INTO vantage.retention (relation, keep) VALUES ('medians', '8 days');
