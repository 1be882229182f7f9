-- Leaving: an account and everything that is its own.

CREATE OR REPLACE FUNCTION report.delete_account()
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
BEGIN
    UPDATE vantage.accounts SET deleted_at = now() WHERE id = own_id;
    UPDATE vantage.monitors SET removed_at = now() WHERE account_id = own_id AND removed_at IS NULL;
    DELETE FROM vantage.sessions USING vantage.users
    WHERE users.id = sessions.user_id AND users.account_id = own_id;
    DELETE FROM vantage.api_tokens USING vantage.users
    WHERE users.id = api_tokens.user_id AND users.account_id = own_id;
    DELETE FROM vantage.status_pages WHERE account_id = own_id;
END
$$;
COMMENT ON FUNCTION report.delete_account IS
    'Ends the current account at once: nobody can sign in, nothing is probed or shown. '
    'report.purge removes its rows.';

CREATE OR REPLACE FUNCTION report.purge()
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    leaving_id integer;
    monitor integer;
    first_at timestamptz;
BEGIN
    SELECT id INTO leaving_id FROM vantage.accounts
    WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF leaving_id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM set_config('vantage.account_id', leaving_id::text, true);
    SELECT id INTO monitor FROM vantage.monitors WHERE account_id = leaving_id LIMIT 1;
    IF monitor IS NULL THEN
        DELETE FROM vantage.accounts WHERE id = leaving_id;
        RETURN true;
    END IF;
    -- A day at a time, so that no statement takes long and no lock is held for long.
    SELECT min(slot_at) INTO first_at FROM vantage.results WHERE monitor_id = monitor;
    IF first_at IS NOT NULL THEN
        DELETE FROM vantage.exchanges
        WHERE monitor_id = monitor AND slot_at <= first_at + INTERVAL '1 day';
        DELETE FROM vantage.results
        WHERE monitor_id = monitor AND slot_at <= first_at + INTERVAL '1 day';
        RETURN true;
    END IF;
    DELETE FROM vantage.rollups_1h WHERE monitor_id = monitor;
    DELETE FROM vantage.rollups_1d WHERE monitor_id = monitor;
    DELETE FROM vantage.gaps WHERE monitor_id = monitor;
    DELETE FROM vantage.certificate_sightings WHERE monitor_id = monitor;
    UPDATE vantage.absences SET monitor_ids = array_remove(monitor_ids, monitor)
    WHERE monitor = ANY(monitor_ids);
    DELETE FROM vantage.monitors WHERE id = monitor;
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.purge IS
    'Removes some rows of an account that was deleted. False: there is nothing left to remove.';
