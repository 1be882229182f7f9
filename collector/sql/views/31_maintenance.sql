-- Maintenance: what an account sees of it, and how an editor plans it. Errors as in 20_people.sql.

CREATE OR REPLACE FUNCTION vantage.in_maintenance(monitor_id integer, at timestamptz)
RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE
AS $$
    SELECT EXISTS (
        SELECT FROM vantage.maintenance
        JOIN vantage.monitors ON monitors.account_id = maintenance.account_id
        WHERE monitors.id = in_maintenance.monitor_id
            AND (maintenance.monitor_id IS NULL OR maintenance.monitor_id = monitors.id)
            AND maintenance.from_at <= in_maintenance.at
            AND maintenance.to_at > in_maintenance.at)
$$;
COMMENT ON FUNCTION vantage.in_maintenance IS
    'Whether somebody works on what a monitor watches at an instant: nobody is told of it then.';

CREATE OR REPLACE VIEW report.maintenance WITH (security_barrier) AS
SELECT
    id,
    monitor_id,
    from_at,
    to_at,
    title,
    rule_id,
    created_at
FROM vantage.maintenance
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.maintenance IS 'When the account works on what is watched.';
COMMENT ON COLUMN report.maintenance.id IS 'Identity.';
COMMENT ON COLUMN report.maintenance.monitor_id IS 'The monitor. NULL: every one.';
COMMENT ON COLUMN report.maintenance.from_at IS 'When it begins.';
COMMENT ON COLUMN report.maintenance.to_at IS 'When it ends, not included.';
COMMENT ON COLUMN report.maintenance.title IS 'As shown to people. Empty: nothing to say.';
COMMENT ON COLUMN report.maintenance.rule_id IS 'Which rule made it. NULL: none.';
COMMENT ON COLUMN report.maintenance.created_at IS 'When it was entered.';

CREATE OR REPLACE VIEW report.maintenance_rules WITH (security_barrier) AS
SELECT
    id,
    monitor_id,
    first_at,
    time_zone,
    duration_s,
    rule,
    title,
    (SELECT min(maintenance.from_at) FROM vantage.maintenance
     WHERE maintenance.rule_id = maintenance_rules.id AND maintenance.to_at > now()) AS next_at
FROM vantage.maintenance_rules
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.maintenance_rules IS 'The account''s maintenance that comes again.';
COMMENT ON COLUMN report.maintenance_rules.id IS 'Identity.';
COMMENT ON COLUMN report.maintenance_rules.monitor_id IS 'The monitor. NULL: every one.';
COMMENT ON COLUMN report.maintenance_rules.first_at IS 'When it first begins, by time_zone''s clocks.';
COMMENT ON COLUMN report.maintenance_rules.time_zone IS 'IANA name.';
COMMENT ON COLUMN report.maintenance_rules.duration_s IS 'How long each window lasts, in seconds.';
COMMENT ON COLUMN report.maintenance_rules.rule IS 'How it comes again, RFC 5545.';
COMMENT ON COLUMN report.maintenance_rules.title IS 'As shown to people. Empty: nothing to say.';
COMMENT ON COLUMN report.maintenance_rules.next_at IS
    'When its next window begins, or the one that lasts now began. NULL: none is planned.';

CREATE OR REPLACE FUNCTION vantage.check_maintenance(
    own_id integer, given_monitor_id integer, given_duration_s numeric, given_title text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM vantage.monitors
        WHERE id = given_monitor_id AND account_id = own_id AND removed_at IS NULL
    ) AND given_monitor_id IS NOT NULL THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    ELSIF given_duration_s NOT BETWEEN 60 AND 604800 THEN
        RAISE EXCEPTION 'Maintenance lasts 1 minute to 7 days.' USING ERRCODE = 'VA400';
    ELSIF length(given_title) > 200 THEN
        RAISE EXCEPTION 'A title has up to 200 characters.' USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_maintenance IS
    'Raises VA404 or VA400, saying why, for maintenance that cannot be.';

CREATE OR REPLACE FUNCTION report.add_maintenance(
    given_monitor_id integer, given_from_at timestamptz, given_duration_s integer,
    given_title text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
BEGIN
    PERFORM vantage.check_maintenance(own_id, given_monitor_id, given_duration_s, given_title);
    INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at, title)
    VALUES (own_id, given_monitor_id, given_from_at,
        given_from_at + make_interval(secs => given_duration_s), given_title);
    PERFORM vantage.record('maintenance_added',
        to_char(given_from_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC" ') || given_title);
END
$$;
COMMENT ON FUNCTION report.add_maintenance IS
    'Plans maintenance of the account''s monitor, or of all (NULL), once.';

CREATE OR REPLACE FUNCTION report.add_maintenance_rule(
    given_monitor_id integer, given_first_at timestamp, given_time_zone text,
    given_duration_s integer, given_rule text, given_title text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
BEGIN
    PERFORM vantage.check_maintenance(own_id, given_monitor_id, given_duration_s, given_title);
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = given_time_zone) THEN
        RAISE EXCEPTION '“%” is no time zone. It has the form Europe/Berlin.',
            left(given_time_zone, 100) USING ERRCODE = 'VA400';
    END IF;
    INSERT INTO vantage.maintenance_rules
        (account_id, monitor_id, first_at, time_zone, duration_s, rule, title)
    VALUES (own_id, given_monitor_id, given_first_at, given_time_zone, given_duration_s,
        given_rule, given_title);
    PERFORM vantage.record('maintenance_rule_added', given_rule || ' ' || given_title);
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION '“%” is no rule of RFC 5545 that can be followed here. It has the form '
        'FREQ=WEEKLY;BYDAY=SU.', left(given_rule, 200) USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.add_maintenance_rule IS
    'Plans maintenance that comes again, of the account''s monitor or of all (NULL).';

CREATE OR REPLACE FUNCTION vantage.end_maintenance(given_id integer)
RETURNS text
LANGUAGE plpgsql STRICT
AS $$
DECLARE
    known vantage.maintenance;
BEGIN
    SELECT * INTO known FROM vantage.maintenance WHERE id = given_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF known.from_at < now() AND known.to_at > now() THEN
        UPDATE vantage.maintenance SET to_at = now() WHERE id = given_id;
        RETURN 'ended';
    END IF;
    DELETE FROM vantage.maintenance WHERE id = given_id;
    RETURN CASE WHEN known.to_at <= now() THEN 'undone' ELSE 'removed' END;
END
$$;
COMMENT ON FUNCTION vantage.end_maintenance IS
    'Ends a window that lasts, and removes any other. Returns ended; removed; or undone: it was '
    'over, and its time counts again. NULL: there is none.';

CREATE OR REPLACE FUNCTION vantage.remove_maintenance_rule(given_id integer)
RETURNS text
LANGUAGE sql STRICT
AS $$
    DELETE FROM vantage.maintenance WHERE rule_id = given_id AND from_at > now();
    DELETE FROM vantage.maintenance_rules WHERE id = given_id RETURNING rule
$$;
COMMENT ON FUNCTION vantage.remove_maintenance_rule IS
    'Removes a rule and its windows to come; those that began stay. NULL: there is none.';

CREATE OR REPLACE FUNCTION report.end_maintenance(given_id integer)
RETURNS text
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    became text;
BEGIN
    PERFORM vantage.require_role('editor');
    became := vantage.end_maintenance(given_id);
    IF became IS NULL THEN
        RAISE EXCEPTION 'There is no such maintenance in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('maintenance_' || became);
    RETURN became;
END
$$;
COMMENT ON FUNCTION report.end_maintenance IS
    'vantage.end_maintenance of the account''s. Raises VA404 where there is none.';

CREATE OR REPLACE FUNCTION report.remove_maintenance_rule(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    removed text;
BEGIN
    PERFORM vantage.require_role('editor');
    removed := vantage.remove_maintenance_rule(given_id);
    IF removed IS NULL THEN
        RAISE EXCEPTION 'There is no such maintenance in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('maintenance_rule_removed', removed);
END
$$;
COMMENT ON FUNCTION report.remove_maintenance_rule IS
    'vantage.remove_maintenance_rule of the account''s. Raises VA404 where there is none.';
