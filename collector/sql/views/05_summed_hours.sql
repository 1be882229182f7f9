-- Many monitors' hours, read from as few bytes as they are in.

CREATE OR REPLACE FUNCTION vantage.hours_between(from_at timestamptz, to_at timestamptz)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        SELECT string_agg(format(
            'SELECT bucket_at, updated_at, monitor_id, run, up, degraded, down, suspect_down, location,'
            ' total_histogram FROM vantage.%I WHERE bucket_at >= %L AND bucket_at < %L',
            part.relation, part.from_at, part.to_at), ' UNION ALL ')
        FROM vantage.rollup_progress AS progress
        CROSS JOIN LATERAL (VALUES
            ('rollups_1h', hours_between.from_at, LEAST(hours_between.to_at, hours_from_at)),
            ('totals_1h', GREATEST(hours_between.from_at, hours_from_at),
                LEAST(hours_between.to_at, hours_to_at)),
            ('rollups_1h', GREATEST(hours_between.from_at, hours_from_at, hours_to_at),
                hours_between.to_at)
        ) AS part (relation, from_at, to_at)
        -- Of no time at all, something must be read from somewhere.
        WHERE part.from_at < part.to_at
            OR (part.relation = 'totals_1h' AND hours_between.from_at >= hours_between.to_at)
    );
END
$$;
COMMENT ON FUNCTION vantage.hours_between IS
    'The statement that reads what vantage.totals_1h holds of the hours from from_at up to, not including, '
    'to_at: from there, and what is not there from vantage.rollups_1h. Its bounds are literals, so that the '
    'planner leaves out the chunks that have nothing of them.';

CREATE OR REPLACE FUNCTION vantage.summed_hours(
    monitor_ids integer[], from_at timestamptz, to_at timestamptz)
RETURNS TABLE (
    monitor_id integer,
    location text,
    bucket_at timestamptz,
    run bigint,
    degraded bigint,
    down bigint,
    total_histogram numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN QUERY EXECUTE format($statement$
        SELECT monitor_id, location, bucket_at, sum(run), sum(degraded), sum(down),
            CASE WHEN grouping(bucket_at) = 1 THEN vantage.merge(total_histogram) END
        FROM (%s) AS hours
        WHERE monitor_id = ANY($1)
        GROUP BY GROUPING SETS ((monitor_id, location), (monitor_id, bucket_at))
        $statement$, vantage.hours_between(from_at, to_at))
    USING monitor_ids;
END
$$;
COMMENT ON FUNCTION vantage.summed_hours IS
    'The hours from from_at up to, not including, to_at summed up: a row for each of the monitors at each '
    'location (bucket_at NULL), and one for each of the monitors and hours (location and total_histogram '
    'NULL).';
