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

CREATE OR REPLACE FUNCTION vantage.summed_since(monitor_ids integer[], from_at timestamptz)
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
DECLARE
    over_at timestamptz;
    kept_from_at timestamptz;
    -- From the nearest midnight on days do, of which the present one has the hours that are over; the
    -- hours between are added, or taken away.
    midnight_at CONSTANT timestamptz := date_bin('1 day', from_at + INTERVAL '12 hours', 'epoch');
BEGIN
    SELECT
        hours_to_at,
        GREATEST(hours_from_at, hours_to_at - INTERVAL '2 days')
    INTO over_at, kept_from_at
    FROM vantage.rollup_progress;
    RETURN QUERY EXECUTE format($statement$
        SELECT monitor_id, NULL, bucket_at, sum(run), sum(degraded), sum(down), NULL::numeric
        FROM (%1$s) AS hours
        WHERE monitor_id = ANY($1)
        GROUP BY monitor_id, bucket_at
        UNION ALL
        SELECT monitor_id, location, NULL, NULL, NULL, NULL, vantage.merge(total_histogram)
        FROM (
            SELECT monitor_id, location, total_histogram
            FROM vantage.rollups_1d
            WHERE monitor_id = ANY($1) AND bucket_at >= %2$L
            UNION ALL
            SELECT monitor_id, location, total_histogram
            FROM (%3$s) AS hours
            WHERE monitor_id = ANY($1) AND (bucket_at <> %4$L
                OR monitor_id >= (SELECT hours_monitor_id FROM vantage.rollup_progress))
            UNION ALL
            SELECT monitor_id, location, %5$s total_histogram
            FROM (%6$s) AS hours
            WHERE monitor_id = ANY($1)
        ) AS parts
        GROUP BY monitor_id, location
        HAVING vantage.merge(total_histogram) > 0
        $statement$,
        CASE WHEN from_at >= kept_from_at AND from_at < over_at THEN format(
            'SELECT bucket_at, monitor_id, run, degraded, down FROM vantage.monitors_1h'
            ' WHERE bucket_at >= %L AND bucket_at < %2$L'
            ' UNION ALL SELECT bucket_at, monitor_id, run, degraded, down FROM (%3$s) AS hours',
            from_at, over_at, vantage.hours_between(over_at, 'infinity'))
        ELSE vantage.hours_between(from_at, 'infinity') END,
        midnight_at,
        vantage.hours_between(GREATEST(midnight_at, over_at), 'infinity'),
        over_at,
        CASE WHEN midnight_at < from_at THEN '-' END,
        vantage.hours_between(LEAST(midnight_at, from_at), GREATEST(midnight_at, from_at)))
    USING monitor_ids;
END
$$;
COMMENT ON FUNCTION vantage.summed_since IS
    'The hours from from_at on summed up: what was counted in each of them of each of the monitors (location '
    'and total_histogram NULL), and the histogram of each of the monitors at each location (bucket_at and '
    'what was counted NULL), where anything was timed.';
