-- The newest result of each pair, so that nobody has to look for it in all results.
CREATE TABLE vantage.standings (
    slot_at timestamptz NOT NULL,
    first_slot_at timestamptz NOT NULL,
    cert_expires_at timestamptz,
    monitor_id integer NOT NULL,
    total_us integer NOT NULL,
    outcome vantage.outcome NOT NULL,
    http_status smallint,
    location text NOT NULL,
    failure text,
    PRIMARY KEY (monitor_id, location)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5);
COMMENT ON TABLE vantage.standings IS
    'The newest result of each monitor at each location. Kept with the rollups, seconds behind '
    'vantage.results.';
COMMENT ON COLUMN vantage.standings.slot_at IS 'The newest result''s slot.';
COMMENT ON COLUMN vantage.standings.first_slot_at IS
    'Slot of the oldest result there was, whether or not it is still kept.';
COMMENT ON COLUMN vantage.standings.cert_expires_at IS 'The newest result''s. NULL: no TLS.';
COMMENT ON COLUMN vantage.standings.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.standings.total_us IS 'The newest result''s.';
COMMENT ON COLUMN vantage.standings.outcome IS 'The newest result''s.';
COMMENT ON COLUMN vantage.standings.http_status IS 'The newest result''s. NULL: no response.';
COMMENT ON COLUMN vantage.standings.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.standings.failure IS 'The newest result''s. NULL: it is up.';
INSERT INTO vantage.standings (
    slot_at, first_slot_at, cert_expires_at, monitor_id, total_us, outcome, http_status, location, failure)
SELECT
    newest.slot_at,
    oldest.slot_at,
    newest.cert_expires_at,
    pairs.monitor_id,
    newest.total_us,
    newest.outcome,
    newest.http_status,
    pairs.location,
    newest.failure
FROM vantage.monitor_locations AS pairs
CROSS JOIN LATERAL (
    SELECT * FROM vantage.results
    WHERE results.monitor_id = pairs.monitor_id AND results.location = pairs.location
    ORDER BY results.slot_at DESC
    LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT results.slot_at FROM vantage.results
    WHERE results.monitor_id = pairs.monitor_id AND results.location = pairs.location
    ORDER BY results.slot_at
    LIMIT 1
) AS oldest;
