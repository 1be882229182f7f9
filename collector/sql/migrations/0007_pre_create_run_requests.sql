-- Results that people asked for in the report centre: when last, for each monitor.

CREATE TABLE vantage.run_requests (
    monitor_id integer PRIMARY KEY REFERENCES vantage.monitors ON DELETE CASCADE,
    requested_at timestamptz NOT NULL
);
COMMENT ON TABLE vantage.run_requests IS
    'When somebody last asked for a result of a monitor in the report centre, so that nobody asks '
    'too often.';
COMMENT ON COLUMN vantage.run_requests.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.run_requests.requested_at IS
    'When; the slot_at of the results that answer (vantage.results.is_extra).';
