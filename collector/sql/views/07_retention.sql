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
            -- A result that is not in the rollups yet waits for them, and an hour for its day. No
            -- median stays for longer than its result, nor totals for longer than their hour.
            LEAST(
                now() - LEAST(retention.keep, (
                    SELECT source.keep FROM vantage.retention AS source
                    WHERE (source.relation, retention.relation) IN (
                        ('results', 'medians'), ('rollups_1h', 'totals_1h')))),
                (SELECT min(from_slot_at) FROM vantage.ingested),
                (SELECT hours_to_at FROM vantage.rollup_progress
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
        IF kept.relation = 'medians' THEN
            UPDATE vantage.rollup_progress SET medians_from_at = date_bin(
                '10 minutes', GREATEST(medians_from_at, kept.before_at), 'epoch');
        ELSIF kept.relation = 'totals_1h' THEN
            UPDATE vantage.rollup_progress SET hours_from_at = date_bin(
                '1 hour', GREATEST(hours_from_at, kept.before_at), 'epoch');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.drop_expired IS
    'Drops every chunk whose rows are all older than vantage.retention keeps them; returns the chunks.';

CREATE OR REPLACE FUNCTION vantage.remove_expired()
RETURNS TABLE (account_id integer, relation text, removed bigint)
LANGUAGE plpgsql
-- Of a chunk in columns as many rows as there are: TimescaleDB stops at 100,000, unless told otherwise.
SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0
AS $$
DECLARE
    kept record;
    part record;
    before_at timestamptz;
BEGIN
    FOR kept IN
        SELECT
            accounts.id,
            limited.results_days,
            array_agg(monitors.id) AS monitor_ids
        FROM vantage.accounts
        JOIN vantage.plans ON plans.name = accounts.plan
        CROSS JOIN LATERAL (SELECT
            LEAST(accounts.results_kept_days, plans.max_results_days) AS results_days
        ) AS limited
        JOIN vantage.monitors ON monitors.account_id = accounts.id
        WHERE limited.results_days IS NOT NULL
        GROUP BY
            accounts.id,
            limited.results_days
        ORDER BY accounts.id
    LOOP
        before_at := LEAST(
            now() - make_interval(days => kept.results_days),
            (SELECT min(from_slot_at) FROM vantage.ingested));
        FOR part IN
            SELECT chunks.hypertable_name AS relation, chunks.range_start, chunks.range_end
            FROM timescaledb_information.chunks
            WHERE chunks.hypertable_schema = 'vantage'
                AND chunks.hypertable_name IN ('results', 'exchanges', 'medians')
                AND chunks.range_start < before_at
            ORDER BY chunks.range_start, chunks.hypertable_name
        LOOP
            -- Literal bounds let the planner leave the other chunks out.
            EXECUTE format(
                'DELETE FROM vantage.%1$I WHERE monitor_id = ANY($1) AND %2$I >= %3$L AND %2$I < %4$L',
                part.relation,
                CASE part.relation WHEN 'medians' THEN 'bucket_at' ELSE 'slot_at' END,
                part.range_start,
                LEAST(part.range_end, before_at))
            USING kept.monitor_ids;
            GET DIAGNOSTICS removed = ROW_COUNT;
            IF removed > 0 THEN
                account_id := kept.id;
                relation := part.relation;
                RETURN NEXT;
                RETURN;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.remove_expired IS
    'Removes results, exchanges or medians of one account and one chunk that are older than '
    'vantage.accounts.results_kept_days and its plan allow, and returns how many. No row: there are none '
    'left. '
    'The collector calls it again and again.';
