-- What a monitor was at any time, so that a past result is read against the definition it was made
-- under, and the slots that were due are counted by the interval that was in force then.

CREATE TABLE vantage.monitor_definitions (
    monitor_id integer NOT NULL,
    valid_from_at timestamptz NOT NULL,
    valid_to_at timestamptz CHECK (valid_from_at < valid_to_at),
    interval_s integer NOT NULL,
    locations text[] NOT NULL,
    definition jsonb NOT NULL,
    PRIMARY KEY (monitor_id, valid_from_at)
);
-- One at a time: a definition begins where the one before it ends.
CREATE UNIQUE INDEX monitor_definitions_in_force
    ON vantage.monitor_definitions (monitor_id) WHERE valid_to_at IS NULL;
COMMENT ON TABLE vantage.monitor_definitions IS
    'How each monitor was defined from when to when, kept by triggers. Agents learn of a change '
    'within about a second, so the slot next to one may be of either definition.';
COMMENT ON COLUMN vantage.monitor_definitions.monitor_id IS
    'vantage.monitors.id. Gone with the monitor''s row, kept when the monitor is only removed.';
COMMENT ON COLUMN vantage.monitor_definitions.valid_from_at IS 'From when it was in force.';
COMMENT ON COLUMN vantage.monitor_definitions.valid_to_at IS
    'Until when, not included. NULL: it is in force.';
COMMENT ON COLUMN vantage.monitor_definitions.interval_s IS
    'Seconds between two slots at one location.';
COMMENT ON COLUMN vantage.monitor_definitions.locations IS 'From where it was probed, in no order.';
COMMENT ON COLUMN vantage.monitor_definitions.definition IS
    'The other columns of vantage.monitors as they were. Of headers only the names and of a body '
    'only the MD5 are kept, so that a secret taken out of a monitor is gone.';

ALTER TABLE vantage.monitor_definitions ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION vantage.definition_of(monitor vantage.monitors) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT to_jsonb(monitor)
        - '{id,account_id,interval_s,is_everywhere,created_at,removed_at,headers,body}'::text[]
        || jsonb_build_object(
            'headers', jsonb_path_query_array((monitor).headers, '$[*].name'),
            'body_md5', md5((monitor).body))
$$;
COMMENT ON FUNCTION vantage.definition_of IS
    'What vantage.monitor_definitions.definition keeps of a monitor.';

-- Ends the definition that is in force and begins its successor. Within one transaction there is
-- only one instant, so what the same transaction began is changed instead.
CREATE FUNCTION vantage.redefine(
    given_monitor_id integer, new_interval_s integer, new_locations text[], new_definition jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old vantage.monitor_definitions;
    begins_at timestamptz := now();
BEGIN
    SELECT * INTO old FROM vantage.monitor_definitions
    WHERE monitor_id = given_monitor_id
    ORDER BY valid_from_at DESC LIMIT 1
    FOR UPDATE;
    IF old.valid_from_at = begins_at AND old.valid_to_at IS NULL THEN
        UPDATE vantage.monitor_definitions
        SET interval_s = COALESCE(new_interval_s, interval_s),
            locations = COALESCE(new_locations, locations),
            definition = COALESCE(new_definition, definition)
        WHERE monitor_id = given_monitor_id AND valid_from_at = begins_at;
        RETURN;
    END IF;
    -- A transaction that began before ours may have been the later one to write.
    begins_at := GREATEST(begins_at, old.valid_from_at + INTERVAL '1 microsecond');
    UPDATE vantage.monitor_definitions SET valid_to_at = begins_at
    WHERE monitor_id = given_monitor_id AND valid_to_at IS NULL;
    INSERT INTO vantage.monitor_definitions (
        monitor_id, valid_from_at, interval_s, locations, definition)
    VALUES (
        given_monitor_id, begins_at, COALESCE(new_interval_s, old.interval_s),
        COALESCE(new_locations, old.locations), COALESCE(new_definition, old.definition));
END
$$;
COMMENT ON FUNCTION vantage.redefine IS
    'Lets a monitor be defined anew from now on. NULL: as before. For triggers only.';
REVOKE ALL ON FUNCTION vantage.redefine FROM PUBLIC;

CREATE FUNCTION vantage.remember_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM vantage.monitor_definitions WHERE monitor_id = OLD.id;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO vantage.monitor_definitions (
            monitor_id, valid_from_at, valid_to_at, interval_s, locations, definition)
        VALUES (
            NEW.id, NEW.created_at, NEW.removed_at, NEW.interval_s, '{}',
            vantage.definition_of(NEW));
    ELSIF NEW.removed_at IS NOT NULL THEN
        -- A definition that nothing could be measured under is dropped.
        DELETE FROM vantage.monitor_definitions
        WHERE monitor_id = NEW.id AND valid_to_at IS NULL AND valid_from_at >= NEW.removed_at;
        UPDATE vantage.monitor_definitions SET valid_to_at = NEW.removed_at
        WHERE monitor_id = NEW.id AND valid_to_at IS NULL;
    ELSIF OLD.removed_at IS NOT NULL OR OLD.interval_s <> NEW.interval_s
        OR vantage.definition_of(OLD) <> vantage.definition_of(NEW)
    THEN
        PERFORM vantage.redefine(NEW.id, NEW.interval_s, NULL, vantage.definition_of(NEW));
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.remember_definition IS
    'Trigger: keeps vantage.monitor_definitions as vantage.monitors change.';
CREATE TRIGGER monitors_defined AFTER INSERT OR UPDATE OR DELETE ON vantage.monitors
    FOR EACH ROW EXECUTE FUNCTION vantage.remember_definition();

CREATE FUNCTION vantage.remember_locations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present text[];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        SELECT locations INTO present FROM vantage.monitor_definitions
        WHERE monitor_id = OLD.monitor_id AND valid_to_at IS NULL;
        IF FOUND THEN
            PERFORM vantage.redefine(
                OLD.monitor_id, NULL, array_remove(present, OLD.location), NULL);
        END IF;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT locations INTO present FROM vantage.monitor_definitions
        WHERE monitor_id = NEW.monitor_id AND valid_to_at IS NULL;
        IF FOUND THEN
            PERFORM vantage.redefine(NEW.monitor_id, NULL, present || NEW.location, NULL);
        END IF;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.remember_locations IS
    'Trigger: keeps vantage.monitor_definitions as vantage.monitor_locations change.';
CREATE TRIGGER monitor_locations_defined
    AFTER INSERT OR UPDATE OR DELETE ON vantage.monitor_locations
    FOR EACH ROW EXECUTE FUNCTION vantage.remember_locations();

-- What was defined before this: as it is now, since it was added. Row-level security is forced
-- upon these tables, also upon an owner who is no superuser.
ALTER TABLE vantage.monitors NO FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_locations NO FORCE ROW LEVEL SECURITY;
INSERT INTO vantage.monitor_definitions (
    monitor_id, valid_from_at, valid_to_at, interval_s, locations, definition)
SELECT
    monitors.id,
    monitors.created_at,
    monitors.removed_at,
    monitors.interval_s,
    ARRAY(
        SELECT location FROM vantage.monitor_locations
        WHERE monitor_locations.monitor_id = monitors.id),
    vantage.definition_of(monitors)
FROM vantage.monitors
WHERE monitors.removed_at IS NULL OR monitors.removed_at > monitors.created_at;
ALTER TABLE vantage.monitors FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_locations FORCE ROW LEVEL SECURITY;

ALTER TABLE vantage.locations ADD COLUMN asn bigint CHECK (asn BETWEEN 1 AND 4294967295);
COMMENT ON COLUMN vantage.locations.asn IS
    'Autonomous system that its agents'' packets leave from. NULL: not stated.';
