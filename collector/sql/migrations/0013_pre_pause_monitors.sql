-- A monitor may rest: nothing is due while it does.

ALTER TABLE vantage.monitors ADD COLUMN paused_at timestamptz;
COMMENT ON COLUMN vantage.monitors.paused_at IS
    'Since when it is not probed, until somebody resumes it. NULL: it is probed.';

CREATE OR REPLACE FUNCTION vantage.remember_definition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    over_at timestamptz;
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM vantage.monitor_definitions WHERE monitor_id = OLD.id;
        RETURN NULL;
    END IF;
    over_at := LEAST(NEW.removed_at, NEW.paused_at);
    IF TG_OP = 'INSERT' THEN
        INSERT INTO vantage.monitor_definitions (
            monitor_id, valid_from_at, valid_to_at, interval_s, locations, definition)
        VALUES (
            NEW.id, NEW.created_at, over_at, NEW.interval_s, '{}', vantage.definition_of(NEW));
    ELSIF over_at IS NOT NULL THEN
        -- A definition that nothing could be measured under is dropped.
        DELETE FROM vantage.monitor_definitions
        WHERE monitor_id = NEW.id AND valid_to_at IS NULL AND valid_from_at >= over_at;
        UPDATE vantage.monitor_definitions SET valid_to_at = over_at
        WHERE monitor_id = NEW.id AND valid_to_at IS NULL;
    ELSIF LEAST(OLD.removed_at, OLD.paused_at) IS NOT NULL THEN
        -- Its locations may have changed while nothing was in force.
        PERFORM vantage.redefine(
            NEW.id, NEW.interval_s,
            ARRAY(SELECT location FROM vantage.monitor_locations WHERE monitor_id = NEW.id),
            vantage.definition_of(NEW));
    ELSIF OLD.interval_s <> NEW.interval_s
        OR vantage.definition_of(OLD) <> vantage.definition_of(NEW)
    THEN
        PERFORM vantage.redefine(NEW.id, NEW.interval_s, NULL, vantage.definition_of(NEW));
    END IF;
    RETURN NULL;
END
$$;
