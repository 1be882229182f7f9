-- Functions that write instants into a statement do so in the one style that is read again as the same
-- instant in every time zone, whatever the session's: other styles abbreviate the zone's name, and China's
-- standard time is read as Chicago's.
DO $$
DECLARE
    writing record;
BEGIN
    FOR writing IN
        SELECT pg_proc.oid::regprocedure AS name
        FROM pg_proc
        JOIN pg_language ON pg_language.oid = prolang AND lanname = 'plpgsql'
        WHERE pronamespace IN ('vantage'::regnamespace, 'report'::regnamespace)
            AND prokind = 'f'
            AND prosrc ~ '%(\d\$)?L'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET datestyle = ISO', writing.name);
    END LOOP;
END
$$;
