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
    -- With them their sessions, API tokens, links and identities.
    DELETE FROM vantage.users WHERE account_id = own_id;
    DELETE FROM vantage.status_pages WHERE account_id = own_id;
END
$$;
COMMENT ON FUNCTION report.delete_account IS
    'Ends the current account at once: its people are gone, nothing is probed or shown. '
    'report.purge removes its other rows.';

CREATE OR REPLACE FUNCTION report.purge()
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- As in vantage.remove_expired.
SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0
AS $$
DECLARE
    leaving_id integer;
    monitor integer;
    first_at timestamptz;
    seen bytea[];
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
        -- Nobody can tell whose these were, so they may have been this account's.
        DELETE FROM vantage.quarantine WHERE monitor_id IS NULL;
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
    -- What was kept for longer than the results.
    DELETE FROM vantage.exchanges WHERE monitor_id = monitor;
    DELETE FROM vantage.medians WHERE monitor_id = monitor;
    DELETE FROM vantage.totals_1h WHERE monitor_id = monitor;
    DELETE FROM vantage.monitors_1h WHERE monitor_id = monitor;
    DELETE FROM vantage.rollups_1h WHERE monitor_id = monitor;
    DELETE FROM vantage.rollups_1d WHERE monitor_id = monitor;
    DELETE FROM vantage.standings WHERE monitor_id = monitor;
    DELETE FROM vantage.gaps WHERE monitor_id = monitor;
    DELETE FROM vantage.quarantine WHERE monitor_id = monitor;
    WITH gone AS (
        DELETE FROM vantage.certificate_sightings WHERE monitor_id = monitor RETURNING chain
    )
    SELECT array_agg(DISTINCT link) INTO seen FROM gone CROSS JOIN unnest(chain) AS link;
    DELETE FROM vantage.certificates
    WHERE sha256 = ANY (seen) AND NOT EXISTS (
        SELECT FROM vantage.certificate_sightings AS other
        WHERE other.chain @> ARRAY[certificates.sha256]);
    UPDATE vantage.absences SET monitor_ids = array_remove(monitor_ids, monitor)
    WHERE monitor = ANY(monitor_ids);
    DELETE FROM vantage.monitors WHERE id = monitor;
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.purge IS
    'Removes some rows of an account that was deleted. False: there is nothing left to remove.';

CREATE OR REPLACE FUNCTION report.own_rows()
RETURNS TABLE (relation text, content jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('owner');
    own record;
BEGIN
    FOR own IN
        -- From the catalogue, so that no table is forgotten: whatever leads to the account by foreign
        -- keys, or by a monitor's identity. What is measured has views, for there may be much of it.
        WITH RECURSIVE reference AS (
            SELECT conrelid AS from_id, conkey[1] AS from_number, confrelid AS to_id,
                confkey[1] AS to_number
            FROM pg_constraint
            WHERE contype = 'f' AND cardinality(conkey) = 1 AND conrelid <> confrelid
                AND connamespace = 'vantage'::regnamespace
            UNION
            SELECT monitored.attrelid, monitored.attnum, identity.attrelid, identity.attnum
            FROM pg_attribute AS monitored
            JOIN pg_class ON pg_class.oid = monitored.attrelid
            JOIN pg_attribute AS identity ON identity.attrelid = 'vantage.monitors'::regclass
                AND identity.attname = 'id'
            WHERE monitored.attname = 'monitor_id'
                AND relkind = 'r'
                AND relnamespace = 'vantage'::regnamespace
                AND relname NOT IN (
                    SELECT hypertable_name FROM timescaledb_information.hypertables
                    WHERE hypertable_schema = 'vantage')
        ),
        path (table_id, condition, depth) AS (
            SELECT 'vantage.accounts'::regclass::oid, format('id = %s', own_id) COLLATE "C", 0
            UNION
            SELECT
                reference.from_id,
                format('%I IN (SELECT %I FROM vantage.%I WHERE %s)',
                    referring.attname, referred.attname, pg_class.relname, path.condition),
                path.depth + 1
            FROM path
            JOIN reference ON reference.to_id = path.table_id
            JOIN pg_class ON pg_class.oid = path.table_id
            JOIN pg_attribute AS referring ON referring.attrelid = reference.from_id
                AND referring.attnum = reference.from_number
            JOIN pg_attribute AS referred ON referred.attrelid = reference.to_id
                AND referred.attnum = reference.to_number
            WHERE path.depth < 4
        ),
        nearest AS (
            SELECT *, min(depth) OVER (PARTITION BY table_id) AS least FROM path
        ),
        shown AS (
            SELECT
                attrelid AS table_id,
                string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns
            FROM pg_attribute
            WHERE attnum > 0 AND NOT attisdropped
                -- Secrets and what they are known by are nobody's to read.
                AND attname !~ '(hash|sealed|nonce)$'
                AND has_column_privilege(attrelid, attnum, 'SELECT')
            GROUP BY attrelid
        )
        SELECT pg_class.relname, shown.columns, string_agg(nearest.condition, ' OR ') AS condition
        FROM nearest
        JOIN pg_class ON pg_class.oid = nearest.table_id
        JOIN shown ON shown.table_id = nearest.table_id
        WHERE nearest.depth = nearest.least AND pg_class.relname <> 'quarantine'
        GROUP BY pg_class.relname, shown.columns
        ORDER BY pg_class.relname
    LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L, to_jsonb(own) FROM (SELECT %s FROM vantage.%I WHERE %s) AS own',
            own.relname, own.columns, own.relname, own.condition);
    END LOOP;
END
$$;
COMMENT ON FUNCTION report.own_rows IS
    'Every row of the current account but what was measured, removed monitors included, by table and '
    'without secrets; for owners.';

CREATE OR REPLACE VIEW report.gaps WITH (security_barrier) AS
SELECT
    gaps.from_slot_at,
    gaps.to_slot_at,
    gaps.received_at,
    gaps.monitor_id,
    gaps.slots,
    gaps.agent_id,
    gaps.location,
    gaps.reason,
    gaps.detail
FROM vantage.gaps
JOIN vantage.monitors ON monitors.id = gaps.monitor_id
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.gaps IS
    'vantage.gaps of the account''s monitors; its columns are explained there.';
