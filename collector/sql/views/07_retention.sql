CREATE OR REPLACE FUNCTION vantage.drop_expired()
RETURNS TABLE (relation text, chunk text)
-- Only the owner of a hypertable may drop its chunks.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept record;
    dropped text;
BEGIN
    FOR kept IN
        SELECT
            retention.relation,
            -- A result that is not in the rollups yet waits for them, and an hour for its day.
            LEAST(
                now() - retention.keep,
                (SELECT min(from_slot_at) FROM vantage.ingested),
                (SELECT days_to_at FROM vantage.rollup_progress
                 WHERE retention.relation = 'rollups_1h')) AS before_at
        FROM vantage.retention
        WHERE retention.keep IS NOT NULL
        ORDER BY retention.relation
    LOOP
        FOR dropped IN
            SELECT public.drop_chunks(
                format('vantage.%I', kept.relation)::regclass, older_than => kept.before_at)
        LOOP
            relation := kept.relation;
            chunk := dropped;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.drop_expired IS
    'Drops every chunk whose rows are all older than vantage.retention keeps them; returns the chunks.';
