-- A kept plan reads the constraints of every chunk again whenever it is run, to leave the chunk out. Literal
-- bounds have the planner leave out what has nothing of the span: as fast however much is kept.
CREATE OR REPLACE FUNCTION vantage.results_between(
    monitor_id integer, locations text[], from_at timestamptz, to_at timestamptz)
RETURNS TABLE (
    slot_at timestamptz, location text, outcome vantage.outcome, failure text, http_status smallint,
    suspect boolean, is_extra boolean, total_us integer, dns_us integer, connect_us integer,
    tls_us integer, send_us integer, wait_us integer, receive_us integer)
LANGUAGE plpgsql STABLE STRICT ROWS 500
AS $$
BEGIN
    -- report.results_between is the same, to which no other account's monitor is there.
    IF NOT EXISTS (SELECT FROM vantage.monitors WHERE monitors.id = results_between.monitor_id) THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format($statement$
        SELECT
            slot_at,
            location,
            outcome,
            failure,
            http_status,
            suspect,
            is_extra,
            total_us,
            dns_us,
            connect_us,
            tls_us,
            send_us,
            wait_us,
            receive_us
        FROM vantage.results
        WHERE monitor_id = $1 AND location = ANY($2) AND slot_at >= %L AND slot_at < %L
        $statement$, from_at, to_at)
    USING monitor_id, locations;
END
$$;
COMMENT ON FUNCTION vantage.results_between IS
    'What pages read of a monitor''s results at some locations from from_at up to, not including, to_at, '
    'where that is a few hours at most; vantage.results has all.';
