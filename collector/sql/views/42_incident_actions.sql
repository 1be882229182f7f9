-- What people do about incidents, and the rules they set. Errors as in 20_people.sql.

CREATE OR REPLACE FUNCTION vantage.require_incident(given_id bigint)
RETURNS vantage.incidents
LANGUAGE plpgsql
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    found vantage.incidents;
BEGIN
    SELECT * INTO found FROM vantage.incidents
    WHERE id = given_id AND account_id = own_id;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'There is no such incident in your account.' USING ERRCODE = 'VA404';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION vantage.require_incident IS
    'The account''s incident, for an editor. Raises VA403 or VA404 otherwise.';

CREATE OR REPLACE FUNCTION vantage.check_words(given_text text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF trim(COALESCE(given_text, '')) = '' OR length(given_text) > 20000 THEN
        RAISE EXCEPTION 'Write something, of at most 20,000 characters.' USING ERRCODE = 'VA400';
    END IF;
    RETURN trim(given_text);
END
$$;
COMMENT ON FUNCTION vantage.check_words IS
    'The text without white space around it. Raises VA400 where nothing or too much was written.';

CREATE OR REPLACE FUNCTION vantage.note_incident_event(
    given_id bigint, given_kind text, given_detail text DEFAULT NULL)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO vantage.incident_events (incident_id, kind, author, detail)
    SELECT given_id, given_kind, users.email, given_detail
    FROM vantage.users
    WHERE users.id = vantage.current_user_id()
$$;
COMMENT ON FUNCTION vantage.note_incident_event IS
    'Writes down what the current person did about an incident.';

CREATE OR REPLACE FUNCTION report.acknowledge_incident(given_id bigint)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_incident(given_id);
    UPDATE vantage.incidents
    SET acknowledged_at = now(), acknowledged_by = users.email
    FROM vantage.users
    WHERE incidents.id = given_id
        AND incidents.acknowledged_at IS NULL
        AND users.id = vantage.current_user_id();
    IF FOUND THEN
        PERFORM vantage.note_incident_event(given_id, 'acknowledged');
    END IF;
END
$$;
COMMENT ON FUNCTION report.acknowledge_incident IS
    'Takes the account''s incident on, unless somebody has.';

CREATE OR REPLACE FUNCTION report.note_incident(given_id bigint, given_text text)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_incident(given_id);
    PERFORM vantage.note_incident_event(given_id, 'noted', vantage.check_words(given_text));
END
$$;
COMMENT ON FUNCTION report.note_incident IS 'Adds a note to the account''s incident.';

CREATE OR REPLACE FUNCTION report.write_post_mortem(given_id bigint, given_text text)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_incident(given_id);
    UPDATE vantage.incidents SET post_mortem = vantage.check_words(given_text)
    WHERE id = given_id;
    PERFORM vantage.note_incident_event(given_id, 'post_mortem');
END
$$;
COMMENT ON FUNCTION report.write_post_mortem IS
    'Says what was learned from the account''s incident; what was said before is replaced.';

CREATE OR REPLACE FUNCTION vantage.check_rule(
    given_locations integer, given_percent integer, given_consecutive integer,
    given_distinct_by text, given_closes_after_s integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF num_nonnulls(given_locations, given_percent) <> 1 THEN
        RAISE EXCEPTION 'A rule counts locations or per cent of them: one of the two.'
            USING ERRCODE = 'VA400';
    ELSIF COALESCE(given_locations, given_percent) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION '% locations can be no rule: 1 to 100, or 1 to 100 per cent, can.',
            COALESCE(given_locations, given_percent) USING ERRCODE = 'VA400';
    ELSIF given_consecutive IS NULL OR given_consecutive NOT BETWEEN 1 AND 10 THEN
        RAISE EXCEPTION '% failed results in a row can be no rule: 1 to 10 can.',
            COALESCE(given_consecutive::text, 'No') USING ERRCODE = 'VA400';
    ELSIF given_distinct_by IS NULL OR given_distinct_by NOT IN ('location', 'country', 'network') THEN
        RAISE EXCEPTION 'A rule counts each location, country or network, not each “%”.',
            left(given_distinct_by, 100) USING ERRCODE = 'VA400';
    ELSIF given_closes_after_s IS NULL OR given_closes_after_s NOT BETWEEN 0 AND 86400 THEN
        RAISE EXCEPTION 'An incident closes after 0 s to 24 h of being well, not after % s.',
            COALESCE(given_closes_after_s::text, 'no') USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_rule IS 'Raises VA400, saying why, for what can be no rule.';

CREATE OR REPLACE FUNCTION vantage.check_slower(
    given_factor numeric, given_phase text, given_for_s integer, given_locations integer)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF given_factor NOT BETWEEN 1.5 AND 100 THEN
        RAISE EXCEPTION 'Slower than usual is 1.5 to 100 times as long, not % times.', given_factor
            USING ERRCODE = 'VA400';
    ELSIF given_phase IS NULL
        OR given_phase NOT IN ('total', 'dns', 'connect', 'tls', 'send', 'wait', 'receive') THEN
        RAISE EXCEPTION 'What is compared with what is usual is the total or a phase, not “%”.',
            left(given_phase, 100) USING ERRCODE = 'VA400';
    ELSIF given_for_s IS NULL OR given_for_s NOT BETWEEN 300 AND 3600 THEN
        RAISE EXCEPTION 'Slower than usual is told of 5 to 60 minutes, not of % s.',
            COALESCE(given_for_s::text, 'no') USING ERRCODE = 'VA400';
    ELSIF given_locations IS NULL OR given_locations NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION '% locations can be no rule: 1 to 100 can.',
            COALESCE(given_locations::text, 'No') USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_slower IS
    'Raises VA400, saying why, for what can be no rule about what is slower than usual.';

DROP FUNCTION IF EXISTS report.save_alert_rule(
    integer, integer, integer, integer, text, integer, boolean);
CREATE OR REPLACE FUNCTION report.save_alert_rule(
    given_monitor_id integer, given_locations integer, given_percent integer,
    given_consecutive integer, given_distinct_by text, given_closes_after_s integer,
    given_degraded boolean, given_slower_factor numeric DEFAULT NULL,
    given_slower_phase text DEFAULT 'total', given_slower_for_s integer DEFAULT 900,
    given_slower_locations integer DEFAULT 2)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    whose text;
BEGIN
    PERFORM vantage.check_rule(given_locations, given_percent, given_consecutive,
        given_distinct_by, given_closes_after_s);
    PERFORM vantage.check_slower(given_slower_factor, given_slower_phase, given_slower_for_s,
        given_slower_locations);
    IF given_monitor_id IS NOT NULL THEN
        SELECT name INTO whose FROM vantage.monitors
        WHERE id = given_monitor_id AND account_id = own_id AND removed_at IS NULL;
        IF whose IS NULL THEN
            RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
        END IF;
    END IF;
    -- Two at one time must not both find none.
    PERFORM FROM vantage.accounts WHERE id = own_id FOR UPDATE;
    UPDATE vantage.alert_rules
    SET
        needed_locations = given_locations,
        needed_percent = given_percent,
        consecutive = given_consecutive,
        distinct_by = given_distinct_by,
        closes_after_s = given_closes_after_s,
        opens_when_degraded = COALESCE(given_degraded, false),
        slower_factor = given_slower_factor,
        slower_phase = given_slower_phase,
        slower_for_s = given_slower_for_s,
        slower_locations = given_slower_locations
    WHERE account_id = own_id AND monitor_id IS NOT DISTINCT FROM given_monitor_id;
    IF NOT FOUND THEN
        INSERT INTO vantage.alert_rules (account_id, monitor_id, needed_locations, needed_percent,
            consecutive, distinct_by, closes_after_s, opens_when_degraded, slower_factor,
            slower_phase, slower_for_s, slower_locations)
        VALUES (own_id, given_monitor_id, given_locations, given_percent, given_consecutive,
            given_distinct_by, given_closes_after_s, COALESCE(given_degraded, false),
            given_slower_factor, given_slower_phase, given_slower_for_s, given_slower_locations);
    END IF;
    PERFORM vantage.record('alert_rule_saved', COALESCE(whose, 'all monitors'));
END
$$;
COMMENT ON FUNCTION report.save_alert_rule IS
    'Makes or changes the rule of the account''s monitor. NULL: of all that have none of their own.';

CREATE OR REPLACE FUNCTION report.remove_alert_rule(given_monitor_id integer)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
BEGIN
    DELETE FROM vantage.alert_rules
    WHERE account_id = own_id AND monitor_id IS NOT DISTINCT FROM given_monitor_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such rule in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('alert_rule_removed', given_monitor_id::text);
END
$$;
COMMENT ON FUNCTION report.remove_alert_rule IS
    'Lets the account''s monitor follow the account''s rule again. NULL: the account, the '
    'installation''s.';

CREATE OR REPLACE FUNCTION report.set_dependencies(given_monitor_id integer, given_parents integer[])
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    unknown_id integer;
BEGIN
    -- Two at one time must not make a circle together.
    PERFORM FROM vantage.accounts WHERE id = own_id FOR UPDATE;
    SELECT wanted.id INTO unknown_id
    FROM unnest(given_monitor_id || given_parents) WITH ORDINALITY AS wanted (id, place)
    WHERE NOT EXISTS (
        SELECT FROM vantage.monitors
        WHERE monitors.id = wanted.id AND account_id = own_id AND removed_at IS NULL)
    ORDER BY place LIMIT 1;
    IF unknown_id = given_monitor_id THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    ELSIF unknown_id IS NOT NULL THEN
        RAISE EXCEPTION 'There is no monitor % in your account to depend on.', unknown_id
            USING ERRCODE = 'VA400';
    END IF;
    DELETE FROM vantage.monitor_dependencies WHERE monitor_id = given_monitor_id;
    IF EXISTS (
        WITH RECURSIVE above (id) AS (
            SELECT unnest(given_parents)
            UNION
            SELECT parent_id FROM vantage.monitor_dependencies JOIN above ON monitor_id = above.id
        )
        SELECT FROM above WHERE id = given_monitor_id
    ) THEN
        RAISE EXCEPTION 'A monitor cannot depend on itself, not through others either.'
            USING ERRCODE = 'VA409';
    END IF;
    INSERT INTO vantage.monitor_dependencies (monitor_id, parent_id)
    SELECT DISTINCT given_monitor_id, unnest(given_parents);
    PERFORM vantage.record('dependencies_saved', given_monitor_id::text);
END
$$;
COMMENT ON FUNCTION report.set_dependencies IS
    'Says what the account''s monitor depends on: these monitors and no others.';
