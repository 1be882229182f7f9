CREATE OR REPLACE FUNCTION report.run_now(given_monitor_id integer)
RETURNS timestamptz
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    asked_at timestamptz;
BEGIN
    PERFORM FROM vantage.monitors
    WHERE id = given_monitor_id AND account_id = own_id AND removed_at IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO vantage.run_requests AS asked (monitor_id, requested_at)
    VALUES (given_monitor_id, now())
    ON CONFLICT (monitor_id) DO UPDATE SET requested_at = EXCLUDED.requested_at
        WHERE asked.requested_at < EXCLUDED.requested_at - INTERVAL '10 seconds'
    RETURNING asked.requested_at INTO asked_at;
    IF NOT FOUND THEN
        RETURN (SELECT requested_at FROM vantage.run_requests WHERE monitor_id = given_monitor_id);
    END IF;
    PERFORM pg_notify('vantage_run_now', format('%s %s ', given_monitor_id,
        (extract(epoch FROM asked_at) * 1000000)::bigint));
    RETURN asked_at;
END
$$;
COMMENT ON FUNCTION report.run_now IS
    'Asks every location of the account''s monitor for a result now, besides its schedule; returns '
    'the slot_at of the results to come. Asked for again within 10 seconds, it returns the same. '
    'NULL: it is no monitor of the account. Takes the role of editor.';
