-- What \d+ says of a column of report: where its view says nothing of it, what the relation of the same
-- name in vantage says, or else the one that the column is from.
DO $$
DECLARE
    said record;
BEGIN
    FOR said IN
        SELECT DISTINCT ON (shown.attrelid, shown.attnum)
            format('%s.%I', shown.attrelid::regclass, shown.attname) AS name,
            col_description(told.attrelid, told.attnum) AS words
        FROM pg_class AS view
        JOIN pg_attribute AS shown ON shown.attrelid = view.oid AND shown.attnum > 0
        JOIN pg_attribute AS told ON told.attname = shown.attname AND told.attnum > 0
        JOIN pg_class AS source ON source.oid = told.attrelid
            AND source.relnamespace = 'vantage'::regnamespace
            AND (source.relname = view.relname OR EXISTS (
                SELECT
                FROM pg_rewrite
                JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid
                    AND pg_depend.classid = 'pg_rewrite'::regclass
                WHERE pg_rewrite.ev_class = view.oid
                    AND pg_depend.refobjid = told.attrelid
                    AND pg_depend.refobjsubid = told.attnum))
        WHERE view.relnamespace = 'report'::regnamespace
            AND view.relkind = 'v'
            AND col_description(shown.attrelid, shown.attnum) IS NULL
            AND col_description(told.attrelid, told.attnum) IS NOT NULL
        ORDER BY shown.attrelid, shown.attnum, source.relname <> view.relname, source.relname
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s IS %L', said.name, said.words);
    END LOOP;
END
$$;
