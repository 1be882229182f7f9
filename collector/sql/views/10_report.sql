-- What the report centre may see: the current account's rows (SET LOCAL vantage.account_id), and
-- nothing while no account is set. Owned by vantage_views, which row-level security binds; the
-- report centre's own role has no right on any table.
CREATE SCHEMA IF NOT EXISTS report;
COMMENT ON SCHEMA report IS
    'The report centre''s views: one account''s rows, chosen by SET LOCAL vantage.account_id.';

CREATE OR REPLACE VIEW report.locations WITH (security_barrier) AS
SELECT
    locations.name,
    locations.title,
    locations.region,
    locations.country,
    locations.latitude,
    locations.longitude,
    (SELECT max(agents.last_seen_at)
     FROM vantage.agents
     WHERE agents.location = locations.name AND agents.revoked_at IS NULL) AS last_seen_at,
    locations.asn
FROM vantage.locations
WHERE vantage.current_account() IS NOT NULL;
COMMENT ON VIEW report.locations IS 'Every location, and when it was last heard of.';
COMMENT ON COLUMN report.locations.name IS 'Short name, as in report.results.location.';
COMMENT ON COLUMN report.locations.title IS 'As shown to people.';
COMMENT ON COLUMN report.locations.region IS 'Groups locations. NULL: none.';
COMMENT ON COLUMN report.locations.country IS 'ISO 3166-1 alpha-2. NULL: not stated.';
COMMENT ON COLUMN report.locations.latitude IS 'Degrees north. NULL: not stated.';
COMMENT ON COLUMN report.locations.longitude IS 'Degrees east. NULL: not stated.';
COMMENT ON COLUMN report.locations.last_seen_at IS
    'Last heartbeat of any of its agents. NULL: none ever connected.';
COMMENT ON COLUMN report.locations.asn IS
    'Autonomous system that its agents'' packets leave from. NULL: not stated.';

CREATE OR REPLACE VIEW report.monitors WITH (security_barrier) AS
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    max_redirects,
    created_at,
    is_everywhere,
    paused_at,
    kind,
    tags,
    method,
    headers,
    vantage.as_text(body) AS body,
    ip_version,
    is_paired,
    http_version,
    is_insecure,
    is_uncompressed,
    assertions,
    ARRAY(
        SELECT secrets.name FROM vantage.secrets
        WHERE secrets.monitor_id = monitors.id
        ORDER BY secrets.name COLLATE "C") AS secrets,
    jsonb_build_object(
        'method', method, 'headers', headers, 'body', vantage.as_text(body),
        'ip_version', ip_version, 'is_paired', is_paired, 'http_version', http_version,
        'is_insecure', is_insecure, 'is_uncompressed', is_uncompressed,
        'max_redirects', max_redirects) AS request,
    jsonb_build_object(
        'client_certificate', client_certificate, 'authority', authority, 'proxy', proxy,
        'connect_to', host(connect_to), 'name_server', name_server,
        'phase_timeouts', phase_timeouts) AS terms
FROM vantage.monitors
WHERE account_id = vantage.current_account() AND removed_at IS NULL;
COMMENT ON VIEW report.monitors IS 'The account''s monitors, less the removed ones.';
COMMENT ON COLUMN report.monitors.id IS 'Identity, as in report.results.monitor_id.';
COMMENT ON COLUMN report.monitors.name IS 'As shown to people.';
COMMENT ON COLUMN report.monitors.url IS 'What is fetched.';
COMMENT ON COLUMN report.monitors.interval_s IS 'Seconds between two slots at one location.';
COMMENT ON COLUMN report.monitors.timeout_us IS 'Limit on one result, redirects included.';
COMMENT ON COLUMN report.monitors.slow_us IS
    'An up result whose total_us exceeds this is degraded. NULL: no limit.';
COMMENT ON COLUMN report.monitors.max_redirects IS 'Redirects followed.';
COMMENT ON COLUMN report.monitors.created_at IS 'When the monitor was added.';
COMMENT ON COLUMN report.monitors.is_everywhere IS 'Probed from all locations, those to come too.';
COMMENT ON COLUMN report.monitors.tags IS 'Words it is grouped by. Empty: none.';
COMMENT ON COLUMN report.monitors.paused_at IS 'Since when it rests. NULL: it is probed.';
COMMENT ON COLUMN report.monitors.method IS 'Method of the request.';
COMMENT ON COLUMN report.monitors.headers IS
    'Headers added to the request, as in vantage.monitors; none that is secret.';
COMMENT ON COLUMN report.monitors.body IS
    'Body of the request. NULL: there is none, or it is not UTF-8.';
COMMENT ON COLUMN report.monitors.ip_version IS
    'The only family that is looked up and connected to, 4 or 6. NULL: any.';
COMMENT ON COLUMN report.monitors.is_paired IS 'Each slot is run over IPv4 and IPv6 at once.';
COMMENT ON COLUMN report.monitors.http_version IS
    '1.1, 2 or 3, and no other is spoken. NULL: what server and agent agree on.';
COMMENT ON COLUMN report.monitors.is_insecure IS 'The server''s certificate is not verified.';
COMMENT ON COLUMN report.monitors.is_uncompressed IS 'No compressed body is asked for.';
COMMENT ON COLUMN report.monitors.assertions IS
    'What must be true of the answer, as in vantage.monitors.';
COMMENT ON COLUMN report.monitors.secrets IS
    'What is set that nobody is shown: names of headers, "client key", "proxy password".';
COMMENT ON COLUMN report.monitors.request IS
    'What is asked, as report.define_monitor() takes it: columns by their names.';
COMMENT ON COLUMN report.monitors.terms IS
    'On which terms, as report.define_monitor() takes them: columns by their names.';
COMMENT ON COLUMN report.monitors.kind IS
    'request: the URL alone; page: also what its document asks for.';
-- Migration 0052 took over what it held; the view above read it until now.
DROP TABLE IF EXISTS vantage.monitor_secrets;

CREATE OR REPLACE VIEW report.monitor_locations WITH (security_barrier) AS
SELECT
    monitor_locations.monitor_id,
    monitor_locations.location
FROM vantage.monitor_locations
JOIN vantage.monitors ON monitors.id = monitor_locations.monitor_id
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON VIEW report.monitor_locations IS 'From where each of the account''s monitors is probed.';
COMMENT ON COLUMN report.monitor_locations.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.monitor_locations.location IS 'A location that probes it.';

CREATE OR REPLACE VIEW report.results WITH (security_barrier) AS
SELECT
    results.slot_at,
    results.started_at,
    results.received_at,
    results.cert_expires_at,
    results.body_bytes,
    results.monitor_id,
    results.total_us,
    results.redirect_us,
    results.dns_us,
    results.connect_us,
    results.tls_us,
    results.send_us,
    results.wait_us,
    results.receive_us,
    results.delay_us,
    results.lag_us,
    results.rtt_us,
    results.header_bytes,
    results.target_port,
    results.outcome,
    results.agent_id,
    results.http_status,
    results.redirects,
    results.suspect,
    results.location,
    results.failure,
    results.detail,
    results.http_version,
    results.url,
    results.target_ip,
    results.local_ip,
    CASE
        WHEN results.outcome <> 'down' THEN NULL
        WHEN results.receive_us IS NOT NULL THEN 'receive'
        WHEN results.wait_us IS NOT NULL THEN 'wait'
        WHEN results.send_us IS NOT NULL THEN 'send'
        WHEN results.tls_us IS NOT NULL THEN 'tls'
        WHEN results.connect_us IS NOT NULL THEN 'connect'
        WHEN results.dns_us IS NOT NULL THEN 'dns'
    END AS failed_phase,
    results.is_extra,
    results.pings_sent,
    results.pings_received,
    results.ping_min_us,
    results.ping_max_us,
    results.answer,
    results.resources_us
FROM vantage.results
JOIN vantage.monitors ON monitors.id = results.monitor_id
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.results IS
    'vantage.results of the account''s monitors; its columns are explained there.';

CREATE OR REPLACE VIEW report.exchanges WITH (security_barrier) AS
SELECT
    exchanges.slot_at,
    exchanges.body_bytes,
    exchanges.monitor_id,
    exchanges.total_us,
    exchanges.dns_us,
    exchanges.connect_us,
    exchanges.tls_us,
    exchanges.send_us,
    exchanges.wait_us,
    exchanges.receive_us,
    exchanges.rtt_us,
    exchanges.header_bytes,
    exchanges.target_port,
    exchanges.http_status,
    exchanges.hop,
    exchanges.location,
    exchanges.url,
    exchanges.http_version,
    exchanges.target_ip,
    exchanges.local_ip,
    exchanges.role,
    exchanges.start_us,
    exchanges.outcome,
    exchanges.failure,
    exchanges.detail,
    exchanges.resource
FROM vantage.exchanges
JOIN vantage.monitors ON monitors.id = exchanges.monitor_id
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.exchanges IS
    'vantage.exchanges of the account''s monitors; its columns are explained there.';

CREATE OR REPLACE VIEW report.results_1h WITH (security_barrier) AS
SELECT rollups_1h.*
FROM vantage.rollups_1h
JOIN vantage.monitors ON monitors.id = rollups_1h.monitor_id
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.results_1h IS
    'vantage.results_1h of the account''s monitors; its columns are explained there.';

-- Without `due`, for which there is report.slots_due. The account's monitors as an array reach the
-- hours of the days that are not over before these are summed up; a join would come after. Of the days that
-- are over a join lets the planner know how many there are.
DO $$
BEGIN
    EXECUTE (
        SELECT format($view$
            CREATE OR REPLACE VIEW report.results_1d WITH (security_barrier) AS
            SELECT %1$s
            FROM vantage.rollups_1d
            WHERE monitor_id IN (
                    SELECT id FROM vantage.monitors WHERE account_id = vantage.current_account())
                AND bucket_at <> (
                    SELECT date_bin('1 day', hours_to_at, 'epoch') FROM vantage.rollup_progress)
            UNION ALL
            SELECT %1$s
            FROM vantage.open_days
            WHERE monitor_id = ANY(ARRAY(
                SELECT id FROM vantage.monitors WHERE account_id = vantage.current_account()))
            $view$, string_agg(attname, ', ' ORDER BY attnum))
        FROM pg_attribute
        WHERE attrelid = 'vantage.rollups_1d'::regclass AND attnum > 0 AND NOT attisdropped);
END
$$;
COMMENT ON VIEW report.results_1d IS
    'vantage.results_1d of the account''s monitors; its columns are explained there.';

-- A view that passes a hypertable's columns through passes their comments through as well.
DO $$
DECLARE
    passed record;
BEGIN
    FOR passed IN
        SELECT
            seen.oid::regclass AS view_name,
            seen_column.attname AS column_name,
            col_description(source.oid, source_column.attnum) AS comment
        FROM pg_class AS seen
        JOIN pg_class AS source ON source.relname = seen.relname
            AND source.relnamespace = 'vantage'::regnamespace
        JOIN pg_attribute AS seen_column ON seen_column.attrelid = seen.oid
        JOIN pg_attribute AS source_column ON source_column.attrelid = source.oid
            AND source_column.attname = seen_column.attname
        WHERE seen.oid IN (
                'report.results'::regclass, 'report.exchanges'::regclass,
                'report.results_1h'::regclass, 'report.results_1d'::regclass)
            AND seen_column.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L',
            passed.view_name, passed.column_name, passed.comment);
    END LOOP;
END
$$;
COMMENT ON COLUMN report.results.failed_phase IS
    'The last phase a down result reached. NULL: not down, or none was reached.';

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

CREATE OR REPLACE FUNCTION report.first_slot(given_monitor_id integer, given_location text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT first.slot_at
        FROM vantage.results AS first
        WHERE first.monitor_id = given_monitor_id
            AND first.location = given_location
            AND EXISTS (
                SELECT FROM vantage.monitors
                WHERE monitors.id = given_monitor_id
                    AND monitors.account_id = vantage.current_account())
        ORDER BY first.slot_at
        LIMIT 1);
END
$$;
COMMENT ON FUNCTION report.first_slot IS
    'Slot of the oldest result that is kept. NULL: there is none, or the monitor is not the account''s.';

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
        WHEN latest.slot_at IS NOT NULL THEN report.first_slot(pairs.monitor_id, pairs.location)
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

-- A view with a security barrier keeps no order, so looking for one neighbour through it would
-- read and sort every row; these functions read one row of the index.

CREATE OR REPLACE FUNCTION report.slot_before(
    given_monitor_id integer, given_location text, given_slot_at timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT results.slot_at
    FROM vantage.results
    WHERE results.monitor_id = given_monitor_id
        AND results.location = given_location
        AND results.slot_at < given_slot_at
        AND EXISTS (SELECT FROM vantage.monitors WHERE id = given_monitor_id)
    ORDER BY results.slot_at DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION report.slot_before IS
    'The slot of the result before this one, of the account''s monitor. NULL: there is none.';

CREATE OR REPLACE FUNCTION report.slot_after(
    given_monitor_id integer, given_location text, given_slot_at timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT results.slot_at
    FROM vantage.results
    WHERE results.monitor_id = given_monitor_id
        AND results.location = given_location
        AND results.slot_at > given_slot_at
        AND EXISTS (SELECT FROM vantage.monitors WHERE id = given_monitor_id)
    ORDER BY results.slot_at
    LIMIT 1
$$;
COMMENT ON FUNCTION report.slot_after IS
    'The slot of the result after this one, of the account''s monitor. NULL: there is none.';

-- The same that vantage has, with the rights that show the account's monitors alone. Not by calling it: a
-- function around a function keeps every row twice.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT
            proname AS name,
            pg_get_function_arguments(oid) AS arguments,
            pg_get_function_result(oid) AS result,
            prorows AS rows,
            prosrc AS source
        FROM pg_proc
        WHERE oid IN ('vantage.course'::regproc, 'vantage.results_between'::regproc)
    LOOP
        EXECUTE format($function$
            CREATE OR REPLACE FUNCTION report.%I(%s) RETURNS %s
            LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            ROWS %s AS %L
            $function$, made.name, made.arguments, made.result, made.rows, made.source);
        EXECUTE format('COMMENT ON FUNCTION report.%1$I IS %2$L', made.name,
            format('vantage.%s of the account''s monitor; no rows of any other.', made.name));
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION report.summed_since(monitor_ids integer[], from_at timestamptz)
RETURNS TABLE (
    monitor_id integer, location text, bucket_at timestamptz, run bigint, degraded bigint, down bigint,
    total_histogram numeric)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT *
    FROM vantage.summed_since(
        ARRAY(SELECT monitors.id FROM vantage.monitors WHERE monitors.id = ANY(monitor_ids)), from_at)
$$;
COMMENT ON FUNCTION report.summed_since IS
    'vantage.summed_since of those of the monitors that are the account''s.';

CREATE OR REPLACE FUNCTION report.availability(
    from_at timestamptz, to_at timestamptz, monitor_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    monitor_id integer, location text, due bigint, run bigint, missing bigint, up bigint,
    degraded bigint, down bigint, suspect_down bigint, passed bigint, judged bigint,
    availability numeric, coverage numeric, updated_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Planned for this span each time.
    RETURN QUERY EXECUTE 'SELECT * FROM vantage.availability($1, $2, $3)'
        USING from_at, to_at, monitor_ids;
END
$$;
COMMENT ON FUNCTION report.availability IS 'vantage.availability of the account''s monitors.';

-- Of several locations at once, since to see which monitors are the account's takes as long as to count.
CREATE OR REPLACE FUNCTION report.slots_due(
    monitor_id integer, locations text[], from_ats timestamptz[], to_at timestamptz)
RETURNS TABLE (location text, due bigint)
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 20
AS $$
BEGIN
    RETURN QUERY
    SELECT
        asked.location,
        sum(counted.slots)::bigint
    FROM unnest(locations, from_ats) AS asked (location, from_at)
    CROSS JOIN LATERAL vantage.slots_by_definition(
        slots_due.monitor_id, asked.location, asked.from_at, to_at) AS counted
    GROUP BY asked.location;
END
$$;
COMMENT ON FUNCTION report.slots_due(integer, text[], timestamptz[], timestamptz) IS
    'vantage.slots_due of the account''s monitor at some locations, from each one''s own from_at on. No '
    'row of a location that it was not probed from in that time, and of any other monitor.';
