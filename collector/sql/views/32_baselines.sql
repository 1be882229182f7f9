-- What is usual in an hour of the week, and what is slower than that.

CREATE OR REPLACE FUNCTION vantage.baselines_at(
    given_at timestamptz, monitor_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    monitor_id integer,
    location text,
    phase text,
    weeks smallint,
    results integer,
    usual_us integer,
    spread_us integer,
    day_before_us integer)
LANGUAGE plpgsql STABLE
-- Seven rows of each pair, found by the index: never whole chunks.
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    hour_at CONSTANT timestamptz := date_bin('1 hour', given_at, 'epoch');
    hours text;
BEGIN
    -- Literals let the planner leave out the chunks of all other weeks.
    SELECT string_agg(quote_literal(hour_at - before), ', ')
    INTO hours
    FROM unnest(INTERVAL '1 day' || ARRAY(
        SELECT week * INTERVAL '7 days' FROM generate_series(1, 6) AS week)) AS before;
    RETURN QUERY EXECUTE format($statement$
        WITH measured AS (
            SELECT
                rollup.monitor_id,
                rollup.location,
                phase.name,
                phase.count,
                phase.histogram,
                rollup.bucket_at = $1 - INTERVAL '1 day' AS is_day_before
            FROM vantage.monitor_locations AS pair
            JOIN vantage.rollups_1h AS rollup ON rollup.monitor_id = pair.monitor_id
                AND rollup.location = pair.location
            CROSS JOIN LATERAL (VALUES
                ('total', rollup.timed, rollup.total_histogram),
                ('dns', rollup.dns_count, rollup.dns_histogram),
                ('connect', rollup.connect_count, rollup.connect_histogram),
                ('tls', rollup.tls_count, rollup.tls_histogram),
                ('send', rollup.send_count, rollup.send_histogram),
                ('wait', rollup.wait_count, rollup.wait_histogram),
                ('receive', rollup.receive_count, rollup.receive_histogram)
            ) AS phase (name, count, histogram)
            WHERE rollup.bucket_at IN (%s)
                AND ($2 IS NULL OR pair.monitor_id = ANY($2))
                AND phase.count > 0
        ),
        merged AS (
            SELECT
                measured.monitor_id,
                measured.location,
                measured.name,
                (count(*) FILTER (WHERE NOT is_day_before))::smallint AS weeks,
                COALESCE(sum(measured.count) FILTER (WHERE NOT is_day_before), 0)::integer
                    AS results,
                vantage.merge(measured.histogram) FILTER (WHERE NOT is_day_before) AS usual,
                vantage.merge(measured.histogram) FILTER (WHERE is_day_before) AS day_before
            FROM measured
            GROUP BY 1, 2, 3
        )
        SELECT
            merged.monitor_id,
            merged.location,
            merged.name,
            merged.weeks,
            merged.results,
            CASE WHEN is_enough THEN vantage.percentile(usual, 0.5)::integer END,
            CASE WHEN is_enough THEN
                (vantage.percentile(usual, 0.75) - vantage.percentile(usual, 0.25))::integer
            END,
            vantage.percentile(day_before, 0.5)::integer
        FROM merged
        CROSS JOIN LATERAL (SELECT weeks >= 3 AND results >= 20 AS is_enough) AS history
        $statement$, hours)
    USING hour_at, monitor_ids;
END
$$;
COMMENT ON FUNCTION vantage.baselines_at IS
    'What is usual for the monitors (all, or those given) in the hour that given_at lies in, by '
    'location and phase: the columns of vantage.baselines. No row: there is no history at all.';

CREATE OR REPLACE FUNCTION vantage.keep_baselines(given_at timestamptz)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    kept_hour_at CONSTANT timestamptz := date_bin('1 hour', given_at, 'epoch');
    kept integer;
BEGIN
    DELETE FROM vantage.baselines WHERE hour_at < now() - INTERVAL '2 hours';
    INSERT INTO vantage.baselines (
        hour_at, monitor_id, location, phase, weeks, results, usual_us, spread_us, day_before_us)
    SELECT kept_hour_at, made.*
    FROM vantage.baselines_at(kept_hour_at) AS made
    ON CONFLICT (monitor_id, location, phase, hour_at) DO UPDATE
    SET
        weeks = EXCLUDED.weeks,
        results = EXCLUDED.results,
        usual_us = EXCLUDED.usual_us,
        spread_us = EXCLUDED.spread_us,
        day_before_us = EXCLUDED.day_before_us;
    GET DIAGNOSTICS kept = ROW_COUNT;
    RETURN kept;
END
$$;
COMMENT ON FUNCTION vantage.keep_baselines IS
    'Writes down what is usual in an hour, and forgets hours that are over. Returns how many rows. '
    'The collector calls it for the hours that are needed.';

CREATE OR REPLACE FUNCTION vantage.is_slower(
    level_us integer, usual_us integer, spread_us integer, factor numeric)
RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN level_us > factor * usual_us
    AND level_us > usual_us + 2 * spread_us
    AND level_us >= usual_us + 10000;
COMMENT ON FUNCTION vantage.is_slower IS
    'Whether what takes level_us is slower than usual: by the factor, by twice the spread, and by '
    '10 ms at least. NULL: nobody knows what is usual.';

CREATE OR REPLACE VIEW report.baselines WITH (security_barrier) AS
SELECT baselines.*
FROM vantage.baselines
JOIN vantage.monitors ON monitors.id = baselines.monitor_id
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON VIEW report.baselines IS
    'vantage.baselines of the account''s monitors; its columns are explained there.';
