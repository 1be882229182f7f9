CREATE OR REPLACE FUNCTION vantage.percent(part numeric, whole numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN floor(part * 100000 / NULLIF(whole, 0)) / 1000;
COMMENT ON FUNCTION vantage.percent IS
    'part of whole in percent, rounded down to three decimals: 99.999 is never called 100. NULL: of '
    'nothing.';

DROP FUNCTION IF EXISTS vantage.pieces(timestamptz, timestamptz);
CREATE OR REPLACE FUNCTION vantage.pieces(
    from_at timestamptz, to_at timestamptz, days_to_at timestamptz)
RETURNS TABLE (grain text, piece_from_at timestamptz, piece_to_at timestamptz)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 5
AS $$
    WITH hours AS (
        SELECT
            date_bin('1 hour', from_at + INTERVAL '1 hour' - INTERVAL '1 us', 'epoch') AS first_at,
            date_bin('1 hour', to_at, 'epoch') AS last_at
    ),
    days AS (
        SELECT
            date_bin('1 day', from_at + INTERVAL '1 day' - INTERVAL '1 us', 'epoch') AS first_at,
            LEAST(date_bin('1 day', to_at, 'epoch'), days_to_at) AS last_at
    )
    SELECT grain, piece_from_at, piece_to_at
    FROM hours
    CROSS JOIN days
    CROSS JOIN LATERAL (VALUES
        ('1d', days.first_at, days.last_at),
        ('1h', hours.first_at, LEAST(hours.last_at, GREATEST(hours.first_at, days.first_at))),
        ('1h', GREATEST(days.first_at, days.last_at), hours.last_at),
        ('result', from_at, LEAST(to_at, hours.first_at)),
        ('result', GREATEST(hours.first_at, hours.last_at), to_at)
    ) AS piece (grain, piece_from_at, piece_to_at)
    WHERE piece_from_at < piece_to_at
$$;
COMMENT ON FUNCTION vantage.pieces IS
    'Cuts a span of time into whole days, whole hours and what is left over, so that its results '
    'are counted from as few rows as can be: grain is 1d, 1h or result. days_to_at: from when on days '
    'are not summed up.';

CREATE OR REPLACE FUNCTION vantage.availability(
    from_at timestamptz, to_at timestamptz, monitor_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    monitor_id integer,
    location text,
    due bigint,
    run bigint,
    missing bigint,
    up bigint,
    degraded bigint,
    down bigint,
    suspect_down bigint,
    passed bigint,
    judged bigint,
    availability numeric,
    coverage numeric,
    updated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH defined AS (
        SELECT
            definition.monitor_id,
            definition.interval_s,
            place.location,
            GREATEST(definition.valid_from_at, availability.from_at) AS from_at,
            LEAST(definition.valid_to_at, availability.to_at, now()) AS to_at
        FROM vantage.monitor_definitions AS definition
        CROSS JOIN LATERAL unnest(definition.locations) AS place (location)
        WHERE (monitor_ids IS NULL OR definition.monitor_id = ANY(monitor_ids))
            AND definition.valid_from_at < availability.to_at
            AND (definition.valid_to_at > availability.from_at OR definition.valid_to_at IS NULL)
    ),
    -- What is left of the span for each monitor without its maintenance.
    spans AS (
        SELECT
            wanted.monitor_id,
            lower(span) AS from_at,
            upper(span) AS to_at
        FROM (SELECT DISTINCT defined.monitor_id FROM defined) AS wanted
        CROSS JOIN LATERAL (
            SELECT range_agg(tstzrange(maintenance.from_at, maintenance.to_at)) AS times
            FROM vantage.maintenance
            JOIN vantage.monitors ON monitors.account_id = maintenance.account_id
            WHERE monitors.id = wanted.monitor_id
                AND (maintenance.monitor_id IS NULL OR maintenance.monitor_id = monitors.id)
                AND maintenance.from_at < availability.to_at
                AND maintenance.to_at > availability.from_at
        ) AS excluded
        CROSS JOIN LATERAL unnest(
            tstzmultirange(tstzrange(availability.from_at, availability.to_at))
            - COALESCE(excluded.times, '{}')) AS span
    ),
    counted_due AS (
        SELECT
            defined.monitor_id,
            defined.location,
            sum(vantage.slots_between(
                defined.monitor_id, defined.location, defined.interval_s,
                GREATEST(defined.from_at, spans.from_at), LEAST(defined.to_at, spans.to_at))) AS due
        FROM defined
        JOIN spans USING (monitor_id)
        GROUP BY 1, 2
    ),
    pieces AS MATERIALIZED (
        SELECT
            spans.monitor_id,
            piece.*,
            date_bin('1 day', piece.piece_from_at, 'epoch') AS day_at
        FROM spans
        CROSS JOIN LATERAL vantage.pieces(
            spans.from_at, spans.to_at, (SELECT days_to_at FROM vantage.rollup_progress)) AS piece
    ),
    -- Few days have hours or results that are asked for: the first, the last, and those with
    -- maintenance. These are read a day at a time (OFFSET 0).
    parts_of_days AS MATERIALIZED (
        SELECT
            pieces.grain,
            pieces.day_at,
            min(pieces.piece_from_at) AS from_at,
            max(pieces.piece_to_at) AS to_at
        FROM pieces
        WHERE pieces.grain <> '1d'
        GROUP BY
            pieces.grain,
            pieces.day_at
    ),
    parts AS (
        SELECT
            rollup.monitor_id, rollup.location, rollup.run, rollup.up, rollup.degraded, rollup.down,
            rollup.suspect_down, rollup.updated_at
        FROM pieces
        JOIN vantage.rollups_1d AS rollup ON rollup.monitor_id = pieces.monitor_id
            AND rollup.bucket_at >= pieces.piece_from_at
            AND rollup.bucket_at < pieces.piece_to_at
        WHERE pieces.grain = '1d'
            AND rollup.monitor_id = ANY(ARRAY(SELECT spans.monitor_id FROM spans))
            AND rollup.bucket_at >= availability.from_at
            AND rollup.bucket_at < availability.to_at
        UNION ALL
        SELECT
            rollup.monitor_id, rollup.location, rollup.run, rollup.up, rollup.degraded, rollup.down,
            rollup.suspect_down, rollup.updated_at
        FROM parts_of_days AS part
        CROSS JOIN LATERAL (
            SELECT *
            FROM vantage.rollups_1h
            WHERE rollups_1h.bucket_at >= part.from_at
                AND rollups_1h.bucket_at < part.to_at
                AND rollups_1h.monitor_id = ANY(ARRAY(SELECT spans.monitor_id FROM spans))
            OFFSET 0
        ) AS rollup
        JOIN pieces ON pieces.monitor_id = rollup.monitor_id
            AND pieces.day_at = part.day_at
            AND rollup.bucket_at >= pieces.piece_from_at
            AND rollup.bucket_at < pieces.piece_to_at
        WHERE part.grain = '1h' AND pieces.grain = '1h'
        UNION ALL
        SELECT
            result.monitor_id,
            result.location,
            1,
            (result.outcome = 'up')::integer,
            (result.outcome = 'degraded')::integer,
            (result.outcome = 'down')::integer,
            (result.outcome = 'down' AND result.suspect)::integer,
            result.received_at
        FROM parts_of_days AS part
        CROSS JOIN LATERAL (
            SELECT *
            FROM vantage.results
            WHERE results.slot_at >= part.from_at
                AND results.slot_at < part.to_at
                AND results.monitor_id = ANY(ARRAY(SELECT spans.monitor_id FROM spans))
                AND NOT results.is_extra
            OFFSET 0
        ) AS result
        JOIN pieces ON pieces.monitor_id = result.monitor_id
            AND pieces.day_at = part.day_at
            AND result.slot_at >= pieces.piece_from_at
            AND result.slot_at < pieces.piece_to_at
        WHERE part.grain = 'result' AND pieces.grain = 'result'
    ),
    sums AS (
        SELECT
            parts.monitor_id,
            parts.location,
            sum(parts.run) AS run,
            sum(parts.up) AS up,
            sum(parts.degraded) AS degraded,
            sum(parts.down) AS down,
            sum(parts.suspect_down) AS suspect_down,
            max(parts.updated_at) AS updated_at
        FROM parts
        GROUP BY 1, 2
    ),
    complete AS (
        SELECT
            counted_due.monitor_id,
            counted_due.location,
            counted_due.due::bigint AS due,
            COALESCE(sums.run, 0) AS run,
            COALESCE(sums.up, 0) AS up,
            COALESCE(sums.degraded, 0) AS degraded,
            COALESCE(sums.down, 0) AS down,
            COALESCE(sums.suspect_down, 0) AS suspect_down,
            sums.updated_at
        FROM counted_due
        LEFT JOIN sums USING (monitor_id, location)
    )
    SELECT
        complete.monitor_id,
        complete.location,
        complete.due,
        complete.run,
        GREATEST(0, complete.due - complete.run),
        complete.up,
        complete.degraded,
        complete.down,
        complete.suspect_down,
        complete.up + complete.degraded,
        complete.run - complete.suspect_down,
        vantage.percent(complete.up + complete.degraded, complete.run - complete.suspect_down),
        LEAST(100, vantage.percent(complete.run, complete.due)),
        complete.updated_at
    FROM complete
$$;
COMMENT ON FUNCTION vantage.availability IS
    'How the monitors (all, or those given) fared at each location from from_at up to, not including, '
    'to_at, maintenance left out. due: slots, by the definitions then in force, up to now; run: those '
    'with a result; missing: the others, neither up nor down; passed: up + degraded; judged: run less '
    'suspect_down, for a busy agent''s failure proves nothing; availability: passed of judged in '
    'percent, rounded down, NULL where nothing was judged; coverage: run of due; updated_at: when its '
    'rows last changed, the revision of a report. Over several locations add the counts up and use '
    'vantage.percent. Parts of an hour are counted from vantage.results while these are kept.';
