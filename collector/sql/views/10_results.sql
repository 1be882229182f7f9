-- The account's results, one by one and summed up.
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

-- A view with a security barrier keeps no order, so looking for one neighbour through it would read and sort
-- every row; these functions read one row of the index. In plpgsql, which plans for the slot that is given:
-- chunks that cannot hold what is looked for are not even opened.

CREATE OR REPLACE FUNCTION report.slot_before(
    given_monitor_id integer, given_location text, given_slot_at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT results.slot_at
        FROM vantage.results
        WHERE results.monitor_id = given_monitor_id
            AND results.location = given_location
            AND results.slot_at < given_slot_at
            AND EXISTS (SELECT FROM vantage.monitors WHERE id = given_monitor_id)
        ORDER BY results.slot_at DESC
        LIMIT 1);
END
$$;
COMMENT ON FUNCTION report.slot_before IS
    'The slot of the result before this one, of the account''s monitor. NULL: there is none.';

CREATE OR REPLACE FUNCTION report.slot_after(
    given_monitor_id integer, given_location text, given_slot_at timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT results.slot_at
        FROM vantage.results
        WHERE results.monitor_id = given_monitor_id
            AND results.location = given_location
            AND results.slot_at > given_slot_at
            AND EXISTS (SELECT FROM vantage.monitors WHERE id = given_monitor_id)
        ORDER BY results.slot_at
        LIMIT 1);
END
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
