CREATE OR REPLACE FUNCTION vantage.slot_offset_us(monitor_id integer, location text, interval_s integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT ('x' || substr(md5(monitor_id::text || '/' || location), 1, 13))::bit(52)::bigint
        % (interval_s::bigint * 1000000)
$$;
COMMENT ON FUNCTION vantage.slot_offset_us IS
    'Where in its interval a monitor''s slots lie at a location, in microseconds: slot k is at '
    'k x interval + offset after the Unix epoch. Spreads the load; a restart changes nothing.';

CREATE OR REPLACE FUNCTION vantage.current_account()
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT NULLIF(current_setting('vantage.account_id', true), '')::integer
$$;
COMMENT ON FUNCTION vantage.current_account IS
    'The account that SET LOCAL vantage.account_id names. NULL: none, and nothing is visible.';

-- In plpgsql, which keeps its plan: SQL functions that cannot be inlined cost a hundred times as much.
CREATE OR REPLACE FUNCTION vantage.slots_between(
    monitor_id integer, location text, interval_s integer, from_at timestamptz, to_at timestamptz)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    -- Floating numbers hold microseconds exactly until 2255, and divide in a fraction of numeric's time.
    offset_us CONSTANT double precision := vantage.slot_offset_us(monitor_id, location, interval_s);
    interval_us CONSTANT double precision := interval_s * 1000000::double precision;
BEGIN
    RETURN GREATEST(0,
        ceil((round(date_part('epoch', to_at) * 1000000) - offset_us) / interval_us)
        - ceil((round(date_part('epoch', from_at) * 1000000) - offset_us) / interval_us));
END
$$;
COMMENT ON FUNCTION vantage.slots_between IS
    'How many slots of a monitor at a location are due from from_at up to, not including, to_at.';

-- Neither STRICT nor with settings of its own, so that it becomes part of what asks.
CREATE OR REPLACE FUNCTION vantage.slots_by_definition(
    monitor_id integer, location text, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (slots bigint)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT vantage.slots_between(
        defined.monitor_id, slots_by_definition.location, defined.interval_s,
        GREATEST(from_at, defined.valid_from_at), LEAST(to_at, defined.valid_to_at))
    FROM vantage.monitor_definitions AS defined
    WHERE defined.monitor_id = slots_by_definition.monitor_id
        AND slots_by_definition.location = ANY(defined.locations)
        AND defined.valid_from_at < to_at
        AND (defined.valid_to_at > from_at OR defined.valid_to_at IS NULL)
$$;
COMMENT ON FUNCTION vantage.slots_by_definition IS
    'vantage.slots_due, a row for each definition by which the location probed the monitor in that time.';

CREATE OR REPLACE FUNCTION vantage.slots_due(
    monitor_id integer, location text, from_at timestamptz, to_at timestamptz)
RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        SELECT COALESCE(sum(counted.slots), 0)::bigint
        FROM vantage.slots_by_definition(monitor_id, location, from_at, to_at) AS counted);
END
$$;
COMMENT ON FUNCTION vantage.slots_due IS
    'How many slots of a monitor at a location were due from from_at up to, not including, to_at: '
    'by the interval that was in force then, and only while the location probed it.';

CREATE OR REPLACE FUNCTION vantage.as_text(given bytea)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN convert_from(given, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.as_text IS 'Bytes as the UTF-8 that they are. NULL: they are none.';

CREATE OR REPLACE FUNCTION vantage.take_statistics()
RETURNS void
-- Only the owner of a table may take its statistics.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    ANALYZE vantage.monitors, vantage.monitor_locations;
END
$$;
COMMENT ON FUNCTION vantage.take_statistics IS
    'Lets the planner know at once of many new monitors, as autovacuum does within a minute: until then an '
    'account with a thousand new ones is taken to have one, and pages about all of them take seconds. Called '
    'for many at once only: one by one they are added more slowly than autovacuum finds them.';
