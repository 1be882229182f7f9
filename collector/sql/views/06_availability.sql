CREATE OR REPLACE FUNCTION vantage.percent(part numeric, whole numeric)
RETURNS numeric
-- NULL for NULL as it is; declared STRICT, it would be called for each row instead of being a part of the query.
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(part * 100000 / NULLIF(whole, 0)) / 1000;
COMMENT ON FUNCTION vantage.percent IS
    'part of whole in percent, rounded down to three decimals: 99.999 is never called 100. NULL: of '
    'nothing.';

DROP FUNCTION IF EXISTS vantage.pieces;
CREATE OR REPLACE FUNCTION vantage.pieces(
    from_at timestamptz, to_at timestamptz, hours_to_at timestamptz)
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
            -- The present day is of the hours that are summed up.
            CASE WHEN to_at < hours_to_at THEN date_bin('1 day', to_at, 'epoch') ELSE hours_to_at END
                AS last_at
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
    'are counted from as few rows as can be: grain is 1d, 1h or result. hours_to_at: from when on hours '
    'are not in their days.';

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
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
#variable_conflict use_column
DECLARE
    has_parts_of_hours CONSTANT boolean := EXISTS (
        SELECT
        FROM (
            SELECT from_at, to_at
            UNION ALL
            SELECT maintenance.from_at, maintenance.to_at
            FROM vantage.maintenance
            WHERE maintenance.from_at < availability.to_at AND maintenance.to_at > availability.from_at
        ) AS edge (first_at, last_at)
        WHERE date_bin('1 hour', first_at, 'epoch') <> first_at
            OR date_bin('1 hour', last_at, 'epoch') <> last_at);
BEGIN
    -- Literal bounds let the planner leave out the chunks that have nothing of the span.
    RETURN QUERY EXECUTE format($statement$
        WITH definitions AS MATERIALIZED (
            SELECT
                definition.monitor_id,
                definition.interval_s,
                definition.locations,
                GREATEST(definition.valid_from_at, %1$L) AS from_at,
                LEAST(definition.valid_to_at, %2$L, now()) AS to_at
            FROM vantage.monitor_definitions AS definition
            WHERE ($1 IS NULL OR definition.monitor_id = ANY($1))
                AND definition.valid_from_at < %2$L
                AND (definition.valid_to_at > %1$L OR definition.valid_to_at IS NULL)
        ),
        excluded AS (
            SELECT
                monitors.id AS monitor_id,
                range_agg(tstzrange(maintenance.from_at, maintenance.to_at)) AS times
            FROM vantage.maintenance
            JOIN vantage.monitors ON monitors.account_id = maintenance.account_id
                AND (maintenance.monitor_id IS NULL OR maintenance.monitor_id = monitors.id)
            WHERE maintenance.from_at < %2$L AND maintenance.to_at > %1$L
            GROUP BY monitors.id
        ),
        -- What is left of the span for each monitor without its maintenance.
        spans AS MATERIALIZED (
            SELECT
                wanted.monitor_id,
                lower(span) AS from_at,
                upper(span) AS to_at
            FROM (SELECT DISTINCT definitions.monitor_id FROM definitions) AS wanted
            LEFT JOIN excluded USING (monitor_id)
            CROSS JOIN LATERAL unnest(
                tstzmultirange(tstzrange(%1$L, %2$L)) - COALESCE(excluded.times, '{}')) AS span
        ),
        counted_due AS (
            SELECT
                definitions.monitor_id,
                place.location,
                sum(vantage.slots_between(
                    definitions.monitor_id, place.location, definitions.interval_s,
                    GREATEST(definitions.from_at, spans.from_at),
                    LEAST(definitions.to_at, spans.to_at))) AS due
            FROM definitions
            JOIN spans USING (monitor_id)
            CROSS JOIN LATERAL unnest(definitions.locations) AS place (location)
            GROUP BY 1, 2
        ),
        -- Monitors whose time is cut alike are counted together.
        pieces AS MATERIALIZED (
            SELECT
                piece.grain,
                piece.piece_from_at AS from_at,
                piece.piece_to_at AS to_at,
                array_agg(spans.monitor_id) AS monitor_ids
            FROM spans
            CROSS JOIN vantage.rollup_progress AS progress
            CROSS JOIN LATERAL vantage.pieces(
                spans.from_at, spans.to_at, progress.hours_to_at
                    + CASE WHEN spans.monitor_id < progress.hours_monitor_id THEN INTERVAL '1 hour'
                        ELSE INTERVAL '0' END) AS piece
            GROUP BY 1, 2, 3
        ),
        parts AS (
            SELECT
                rollup.monitor_id, rollup.location, rollup.run, rollup.up, rollup.degraded, rollup.down,
                rollup.suspect_down, rollup.updated_at
            FROM pieces
            CROSS JOIN LATERAL (
                SELECT *
                FROM vantage.rollups_1d
                WHERE monitor_id = ANY(pieces.monitor_ids)
                    AND bucket_at >= pieces.from_at AND bucket_at < pieces.to_at
                    AND bucket_at >= %1$L AND bucket_at < %2$L
            ) AS rollup
            WHERE pieces.grain = '1d'
            UNION ALL
            SELECT
                rollup.monitor_id, rollup.location, rollup.run, rollup.up, rollup.degraded, rollup.down,
                rollup.suspect_down, rollup.updated_at
            FROM pieces
            CROSS JOIN LATERAL (
                SELECT *
                FROM (%4$s) AS hours
                WHERE monitor_id = ANY(pieces.monitor_ids)
                    AND bucket_at >= pieces.from_at AND bucket_at < pieces.to_at
            ) AS rollup
            WHERE pieces.grain = '1h'
            %3$s
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
        $statement$, from_at, to_at, CASE WHEN has_parts_of_hours THEN format($results$
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
            FROM pieces
            -- By itself (OFFSET 0), so that only the piece's own chunk is looked into.
            CROSS JOIN LATERAL (
                SELECT *
                FROM vantage.results
                WHERE monitor_id = ANY(pieces.monitor_ids)
                    AND location = ANY(ARRAY(SELECT DISTINCT unnest(locations) FROM definitions))
                    AND slot_at >= pieces.from_at AND slot_at < pieces.to_at
                    AND slot_at >= %1$L AND slot_at < %2$L
                    AND NOT is_extra
                OFFSET 0
            ) AS result
            WHERE pieces.grain = 'result'
            $results$, from_at, to_at) END, vantage.hours_between(from_at, to_at))
    USING monitor_ids;
END
$$;
COMMENT ON FUNCTION vantage.availability IS
    'How the monitors (all, or those given) fared at each location from from_at up to, not including, '
    'to_at, maintenance left out. due: slots, by the definitions then in force, up to now; run: those '
    'with a result; missing: the others, neither up nor down; passed: up + degraded; judged: run less '
    'suspect_down, for a busy agent''s failure proves nothing; availability: passed of judged in '
    'percent, rounded down, NULL where nothing was judged; coverage: run of due; updated_at: when its '
    'rows last changed, the revision of a report. Over several locations add the counts up and use '
    'vantage.percent. Parts of an hour are counted from vantage.results while these are kept.';
