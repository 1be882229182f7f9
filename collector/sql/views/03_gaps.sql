CREATE OR REPLACE FUNCTION vantage.slots_accounted(
    monitor_id integer, location text, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (account text, slots bigint)
LANGUAGE sql STABLE STRICT
AS $$
    WITH due AS (
        SELECT vantage.slots_due(monitor_id, location, from_at, LEAST(to_at, now())) AS slots
    ),
    known AS (
        SELECT
            'run' AS account,
            count(DISTINCT results.slot_at) AS slots
        FROM vantage.results
        WHERE results.monitor_id = slots_accounted.monitor_id
            AND results.location = slots_accounted.location
            AND results.slot_at >= from_at
            AND results.slot_at < to_at
            AND NOT results.is_extra
        UNION ALL
        SELECT
            gaps.reason,
            sum(CASE
                WHEN gaps.from_slot_at >= from_at AND gaps.to_slot_at < to_at THEN gaps.slots
                -- Cut by an end of the range: as many as are due in the part inside it.
                ELSE LEAST(gaps.slots, vantage.slots_due(
                    gaps.monitor_id, gaps.location, GREATEST(from_at, gaps.from_slot_at),
                    LEAST(to_at, gaps.to_slot_at + INTERVAL '1 microsecond')))
            END)::bigint
        FROM vantage.gaps
        WHERE gaps.monitor_id = slots_accounted.monitor_id
            AND gaps.location = slots_accounted.location
            AND gaps.from_slot_at < to_at
            AND gaps.to_slot_at >= from_at
        GROUP BY gaps.reason
    )
    SELECT
        account,
        slots
    FROM known
    UNION ALL
    SELECT
        'agent_down',
        GREATEST(0, due.slots - (SELECT COALESCE(sum(known.slots), 0) FROM known))::bigint
    FROM due
$$;
COMMENT ON FUNCTION vantage.slots_accounted IS
    'What became of the slots of a monitor at a location that were due from from_at up to, not '
    'including, to_at: run (they have a result); a reason of vantage.gaps; or agent_down: no row '
    'tells of them, for no agent was there to run them, or what it found has not arrived yet '
    '(vantage.absences says when, and whose).';
