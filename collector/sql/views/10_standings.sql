-- How the account's monitors stand at their locations.

-- Looks into the past that few questions need. As functions, or each plan that names report.latest
-- would hold a scan of every chunk for each of them, to be planned, locked and begun, though never run.

CREATE OR REPLACE FUNCTION report.newer_than_kept()
RETURNS TABLE (
    monitor_id integer,
    location text,
    slot_at timestamptz,
    outcome vantage.outcome,
    failure text,
    http_status smallint,
    total_us integer,
    cert_expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- What came in the last seconds is read at once for all pairs; where upkeep is further behind, each
    -- pair's newest result is looked for.
    IF (SELECT rollup_backlog.lag FROM vantage.rollup_backlog) < INTERVAL '30 s' THEN
        RETURN QUERY EXECUTE format($statement$
            SELECT DISTINCT ON (monitor_id, location)
                monitor_id,
                location,
                slot_at,
                outcome,
                failure,
                http_status,
                total_us,
                cert_expires_at
            FROM vantage.results
            WHERE received_at >= (SELECT min(received_from_at) FROM vantage.ingested)
                AND received_at > now() - INTERVAL '30 s'
                AND slot_at > %L
                AND monitor_id = ANY(ARRAY(
                    SELECT id FROM vantage.monitors WHERE account_id = vantage.current_account()))
            ORDER BY monitor_id, location, slot_at DESC
            $statement$, now() - INTERVAL '1 day');
    ELSE
        RETURN QUERY
        SELECT
            pairs.monitor_id,
            pairs.location,
            found.slot_at,
            found.outcome,
            found.failure,
            found.http_status,
            found.total_us,
            found.cert_expires_at
        FROM vantage.monitors AS own
        JOIN vantage.monitor_locations AS pairs ON pairs.monitor_id = own.id
        LEFT JOIN vantage.standings AS stored
            ON stored.monitor_id = pairs.monitor_id AND stored.location = pairs.location
        CROSS JOIN LATERAL (
            SELECT results.*
            FROM vantage.results
            WHERE results.monitor_id = pairs.monitor_id
                AND results.location = pairs.location
                AND results.slot_at > COALESCE(stored.slot_at, '-infinity')
            ORDER BY results.slot_at DESC
            LIMIT 1
        ) AS found
        WHERE own.account_id = vantage.current_account() AND own.removed_at IS NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION report.newer_than_kept IS
    'Of each pair of the account''s monitors and locations the newest of the results that '
    'vantage.standings may not hold yet. No row of a pair that has none.';

CREATE OR REPLACE FUNCTION report.failing_since(given_monitor_id integer, given_location text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT failed.slot_at
        FROM vantage.results AS failed
        WHERE failed.monitor_id = given_monitor_id
            AND failed.location = given_location
            AND failed.slot_at > now() - INTERVAL '7 days'
            AND failed.slot_at > COALESCE((
                SELECT passed.slot_at
                FROM vantage.results AS passed
                WHERE passed.monitor_id = given_monitor_id
                    AND passed.location = given_location
                    AND passed.slot_at > now() - INTERVAL '7 days'
                    AND passed.outcome <> 'down'
                ORDER BY passed.slot_at DESC
                LIMIT 1), '-infinity')
            AND EXISTS (
                SELECT FROM vantage.monitors
                WHERE monitors.id = given_monitor_id
                    AND monitors.account_id = vantage.current_account())
        ORDER BY failed.slot_at
        LIMIT 1);
END
$$;
COMMENT ON FUNCTION report.failing_since IS
    'Slot of the first down result since the last other one, looking back seven days at most. NULL: '
    'the newest is not down, or is older than that, or the monitor is not the account''s.';

-- Where every pair stands is in vantage.standings, less what came since these were last kept.
CREATE OR REPLACE VIEW report.latest WITH (security_barrier) AS
SELECT
    pairs.monitor_id,
    pairs.location,
    locations.title,
    CASE
        WHEN monitors.paused_at IS NOT NULL THEN 'paused'
        WHEN latest.slot_at IS NULL THEN 'waiting'
        WHEN latest.slot_at < now() - make_interval(
            secs => 2 * monitors.interval_s + monitors.timeout_us / 1e6::float8 + 30) THEN 'missing'
        WHEN latest.outcome = 'degraded' THEN 'slow'
        ELSE latest.outcome::text
    END AS state,
    latest.slot_at,
    latest.outcome,
    latest.failure,
    latest.http_status,
    latest.total_us,
    latest.cert_expires_at,
    CASE WHEN latest.outcome = 'down' THEN report.failing_since(pairs.monitor_id, pairs.location)
    END AS failing_since_at,
    CASE
        WHEN stored.first_slot_at IS NOT NULL THEN stored.first_slot_at
        WHEN latest.slot_at IS NOT NULL THEN report.slot_after(pairs.monitor_id, pairs.location, '-infinity')
    END AS first_slot_at,
    EXISTS (
        SELECT
        FROM vantage.location_troubles AS troubles
        WHERE troubles.location = pairs.location
            AND troubles.kind = 'failing'
            AND troubles.ended_at IS NULL
    ) AS has_trouble
FROM vantage.monitor_locations AS pairs
JOIN vantage.monitors ON monitors.id = pairs.monitor_id
JOIN vantage.locations ON locations.name = pairs.location
LEFT JOIN vantage.standings AS stored
    ON stored.monitor_id = pairs.monitor_id AND stored.location = pairs.location
LEFT JOIN report.newer_than_kept() AS newer
    ON newer.monitor_id = pairs.monitor_id AND newer.location = pairs.location
CROSS JOIN LATERAL (
    SELECT newer.slot_at >= COALESCE(stored.slot_at, '-infinity') AS is_newer
) AS compared
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN compared.is_newer THEN newer.slot_at ELSE stored.slot_at END AS slot_at,
        CASE WHEN compared.is_newer THEN newer.outcome ELSE stored.outcome END AS outcome,
        CASE WHEN compared.is_newer THEN newer.failure ELSE stored.failure END AS failure,
        CASE WHEN compared.is_newer THEN newer.http_status ELSE stored.http_status END AS http_status,
        CASE WHEN compared.is_newer THEN newer.total_us ELSE stored.total_us END AS total_us,
        CASE WHEN compared.is_newer THEN newer.cert_expires_at ELSE stored.cert_expires_at END AS cert_expires_at
) AS latest
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON VIEW report.latest IS
    'How each of the account''s monitors stands at each location that probes it.';
COMMENT ON COLUMN report.latest.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.latest.location IS 'Short name of the location.';
COMMENT ON COLUMN report.latest.title IS 'The location as shown to people.';
COMMENT ON COLUMN report.latest.state IS
    'up, slow or down by the newest result; missing: a result has been due for more than one '
    'interval, the timeout and 30 s; waiting: there never was one; paused: nothing is due.';
COMMENT ON COLUMN report.latest.slot_at IS 'The newest result''s slot. NULL: there is none.';
COMMENT ON COLUMN report.latest.outcome IS 'The newest result''s. NULL: there is none.';
COMMENT ON COLUMN report.latest.failure IS 'The newest result''s. NULL: it is up.';
COMMENT ON COLUMN report.latest.http_status IS 'The newest result''s. NULL: no response.';
COMMENT ON COLUMN report.latest.total_us IS 'The newest result''s.';
COMMENT ON COLUMN report.latest.cert_expires_at IS 'The newest result''s. NULL: no TLS.';
COMMENT ON COLUMN report.latest.failing_since_at IS
    'First slot of the unbroken run of down results that the newest one ends, looking back seven '
    'days at most. NULL: the newest is not down, or is older than that.';
COMMENT ON COLUMN report.latest.first_slot_at IS
    'Slot of the oldest result there was. NULL: there was none.';
COMMENT ON COLUMN report.latest.has_trouble IS
    'Many monitors fail from this location only (vantage.location_troubles): it is not believed.';
-- The view above called it until now.
DROP FUNCTION IF EXISTS report.first_slot(integer, text);

-- The same of all monitors at once, in less time than a row a pair takes.
CREATE OR REPLACE VIEW report.monitor_states WITH (security_barrier) AS
WITH own AS MATERIALIZED (
    SELECT
        monitors.id,
        now() - make_interval(
            secs => 2 * monitors.interval_s + monitors.timeout_us / 1e6::float8 + 30) AS late_at
    FROM vantage.monitors
    WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL
)
SELECT
    own.id AS monitor_id,
    (count(*) FILTER (WHERE newest.slot_at >= own.late_at AND newest.outcome = 'up'))::integer AS up,
    (count(*) FILTER (WHERE newest.slot_at >= own.late_at AND newest.outcome = 'degraded'))::integer
        AS slow,
    (count(*) FILTER (WHERE newest.slot_at >= own.late_at AND newest.outcome = 'down'))::integer
        AS down,
    (count(*) FILTER (WHERE newest.slot_at < own.late_at))::integer AS missing,
    (count(pairs.location) FILTER (WHERE newest.slot_at IS NULL))::integer AS waiting
FROM own
LEFT JOIN vantage.monitor_locations AS pairs ON pairs.monitor_id = own.id
LEFT JOIN vantage.standings AS stored
    ON stored.monitor_id = pairs.monitor_id AND stored.location = pairs.location
LEFT JOIN report.newer_than_kept() AS newer
    ON newer.monitor_id = pairs.monitor_id AND newer.location = pairs.location
CROSS JOIN LATERAL (
    SELECT newer.slot_at >= COALESCE(stored.slot_at, '-infinity') AS is_newer
) AS compared
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN compared.is_newer THEN newer.slot_at ELSE stored.slot_at END AS slot_at,
        CASE WHEN compared.is_newer THEN newer.outcome ELSE stored.outcome END AS outcome
) AS newest
GROUP BY own.id;
COMMENT ON VIEW report.monitor_states IS
    'At how many of its locations each of the account''s monitors stands how, by the rules of '
    'report.latest; those of a monitor that is paused as well.';
COMMENT ON COLUMN report.monitor_states.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.monitor_states.up IS 'Locations whose newest result is up.';
COMMENT ON COLUMN report.monitor_states.slow IS 'Locations whose newest result is degraded.';
COMMENT ON COLUMN report.monitor_states.down IS 'Locations whose newest result is down.';
COMMENT ON COLUMN report.monitor_states.missing IS 'Locations from where a result is overdue.';
COMMENT ON COLUMN report.monitor_states.waiting IS 'Locations that have had no result yet.';
