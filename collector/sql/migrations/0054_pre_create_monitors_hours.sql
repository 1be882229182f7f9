-- What a monitor's day is drawn from: its last hours, all of its locations together.
SELECT pg_advisory_xact_lock(hashtext('vantage.rollups'));
CREATE TABLE vantage.monitors_1h (
    bucket_at timestamptz NOT NULL,
    monitor_id integer NOT NULL,
    run integer NOT NULL,
    degraded integer NOT NULL,
    down integer NOT NULL,
    PRIMARY KEY (monitor_id, bucket_at)
);
COMMENT ON TABLE vantage.monitors_1h IS
    'What vantage.totals_1h counts of a monitor at all locations, of the last two days of hours that are over. '
    'Kept by the collector; what comes late is added.';
COMMENT ON COLUMN vantage.monitors_1h.bucket_at IS 'When the hour begins.';
COMMENT ON COLUMN vantage.monitors_1h.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.monitors_1h.run IS 'Results at all locations.';
COMMENT ON COLUMN vantage.monitors_1h.degraded IS 'Those that are degraded.';
COMMENT ON COLUMN vantage.monitors_1h.down IS 'Those that are down.';
INSERT INTO vantage.monitors_1h
SELECT bucket_at, monitor_id, sum(run), sum(degraded), sum(down)
FROM vantage.totals_1h
WHERE bucket_at >= (SELECT hours_to_at - INTERVAL '2 days' FROM vantage.rollup_progress)
GROUP BY bucket_at, monitor_id;

-- Until there are those that keep it.
DROP FUNCTION IF EXISTS vantage.roll_up(integer);
DROP FUNCTION IF EXISTS vantage.sum_up_hour(integer);
