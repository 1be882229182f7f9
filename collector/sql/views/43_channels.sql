-- Channels: how an account arranges what it is told, and what it was told. Errors as in
-- 20_people.sql.

CREATE OR REPLACE VIEW report.sealing_keys WITH (security_barrier) AS
SELECT
    key_id,
    public_key
FROM vantage.sealing_keys
WHERE vantage.current_account() IS NOT NULL
ORDER BY created_at DESC
LIMIT 1;
COMMENT ON VIEW report.sealing_keys IS
    'What channels'' addresses and monitors'' secrets are sealed to. No row: nobody can open them.';
COMMENT ON COLUMN report.sealing_keys.key_id IS 'Its name.';
COMMENT ON COLUMN report.sealing_keys.public_key IS 'X25519.';

CREATE OR REPLACE VIEW report.notifying WITH (security_barrier) AS
SELECT
    looked_at,
    now() - looked_at > INTERVAL '1 minute' AS is_away
FROM vantage.notifying
WHERE vantage.current_account() IS NOT NULL;
COMMENT ON VIEW report.notifying IS 'Whether anybody tells: whether vantage-collector notify runs.';
COMMENT ON COLUMN report.notifying.looked_at IS 'When it last decided what is to be told, within 5 s.';
COMMENT ON COLUMN report.notifying.is_away IS 'It has not for a minute: nobody is told of anything.';

CREATE OR REPLACE VIEW report.channels WITH (security_barrier) AS
SELECT
    id,
    name,
    kind,
    hint,
    least_severity,
    monitor_ids,
    delay_s,
    remind_s,
    quiet_from,
    quiet_to,
    time_zone,
    muted_at,
    last_sent_at,
    failing_since_at,
    last_error,
    (SELECT count(*) FROM vantage.notifications
     WHERE notifications.channel_id = channels.id AND sent_at IS NULL
         AND given_up_at IS NULL) AS waiting,
    own_subject,
    own_text
FROM vantage.channels
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.channels IS
    'Where the account is told; the columns that are not explained here are at vantage.channels.';
COMMENT ON COLUMN report.channels.waiting IS 'What is decided and not sent yet.';

CREATE OR REPLACE VIEW report.notifications WITH (security_barrier) AS
SELECT
    notifications.id,
    notifications.channel_id,
    channels.name AS channel,
    notifications.kind,
    notifications.incident_id,
    notifications.content,
    notifications.created_at,
    notifications.due_at,
    notifications.attempts,
    notifications.sent_at,
    notifications.given_up_at,
    notifications.last_error
FROM vantage.notifications
JOIN vantage.channels ON channels.id = notifications.channel_id
WHERE channels.account_id = vantage.current_account();
COMMENT ON VIEW report.notifications IS
    'What the account was told, and is yet to be told; its columns are explained at '
    'vantage.notifications.';
COMMENT ON COLUMN report.notifications.channel IS 'The channel''s name.';

CREATE OR REPLACE FUNCTION vantage.check_channel(
    own_id integer, given_name text, given_time_zone text, given_monitor_ids integer[])
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF COALESCE(length(given_name), 0) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'A channel has a name of 1 to 100 characters.' USING ERRCODE = 'VA400';
    ELSIF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = given_time_zone) THEN
        RAISE EXCEPTION '“%” is no time zone. It has the form Europe/Berlin.',
            left(given_time_zone, 100) USING ERRCODE = 'VA400';
    ELSIF EXISTS (
        SELECT FROM unnest(given_monitor_ids) AS wanted
        WHERE wanted NOT IN (SELECT id FROM vantage.monitors WHERE account_id = own_id)
    ) THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_channel IS
    'Raises VA400 or VA404, saying why, for what can be no channel of the account.';

CREATE OR REPLACE FUNCTION report.add_channel(
    given_name text, given_kind text, given_hint text, given_key_id text, given_sealed bytea,
    given_least_severity text, given_delay_s integer, given_remind_s integer,
    given_quiet_from time, given_quiet_to time, given_time_zone text, given_monitor_ids integer[])
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    new_id integer;
BEGIN
    PERFORM vantage.check_channel(own_id, given_name, given_time_zone, given_monitor_ids);
    IF (SELECT count(*) FROM vantage.channels WHERE account_id = own_id) >= 50 THEN
        RAISE EXCEPTION 'An account has at most 50 channels. Remove one first.'
            USING ERRCODE = 'VA409';
    END IF;
    INSERT INTO vantage.channels (
        account_id, name, kind, hint, key_id, sealed, least_severity, delay_s, remind_s,
        quiet_from, quiet_to, time_zone, monitor_ids)
    VALUES (
        own_id, given_name, given_kind, given_hint, given_key_id, given_sealed,
        given_least_severity, given_delay_s, given_remind_s, given_quiet_from, given_quiet_to,
        given_time_zone, given_monitor_ids)
    RETURNING id INTO new_id;
    PERFORM vantage.record('channel_added', given_name || ' (' || given_hint || ')');
    RETURN new_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'There is a channel named “%” already. Choose another name.', given_name
            USING ERRCODE = 'VA409';
    WHEN check_violation THEN
        RAISE EXCEPTION 'A channel is told of incidents after up to 24 hours, reminded every 5 '
            'minutes to 7 days, and has quiet hours from a time to a time.' USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.add_channel IS
    'Has the account told somewhere; returns the channel''s id. The address comes sealed.';

CREATE OR REPLACE FUNCTION vantage.own_channel(given_id integer)
RETURNS vantage.channels
LANGUAGE plpgsql STRICT
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    known vantage.channels;
BEGIN
    SELECT * INTO known FROM vantage.channels WHERE id = given_id AND account_id = own_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such channel in your account.' USING ERRCODE = 'VA404';
    END IF;
    RETURN known;
END
$$;
COMMENT ON FUNCTION vantage.own_channel IS
    'The account''s channel, for an editor. Raises VA403 and VA404.';

CREATE OR REPLACE FUNCTION report.change_channel(
    given_id integer, given_name text, given_kind text, given_hint text, given_key_id text,
    given_sealed bytea, given_least_severity text, given_delay_s integer, given_remind_s integer,
    given_quiet_from time, given_quiet_to time, given_time_zone text, given_monitor_ids integer[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT vantage.channels := vantage.own_channel(given_id);
    is_elsewhere CONSTANT boolean := given_sealed IS NOT NULL;
BEGIN
    PERFORM vantage.check_channel(
        known.account_id, given_name, given_time_zone, given_monitor_ids);
    UPDATE vantage.channels
    SET
        name = given_name,
        kind = CASE WHEN is_elsewhere THEN given_kind ELSE kind END,
        hint = CASE WHEN is_elsewhere THEN given_hint ELSE hint END,
        key_id = CASE WHEN is_elsewhere THEN given_key_id ELSE key_id END,
        sealed = CASE WHEN is_elsewhere THEN given_sealed ELSE sealed END,
        last_error = CASE WHEN is_elsewhere THEN NULL ELSE last_error END,
        failing_since_at = CASE WHEN is_elsewhere THEN NULL ELSE failing_since_at END,
        least_severity = given_least_severity,
        delay_s = given_delay_s,
        remind_s = given_remind_s,
        quiet_from = given_quiet_from,
        quiet_to = given_quiet_to,
        time_zone = given_time_zone,
        monitor_ids = given_monitor_ids
    WHERE id = known.id;
    PERFORM vantage.record('channel_changed', given_name);
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'There is a channel named “%” already. Choose another name.', given_name
            USING ERRCODE = 'VA409';
    WHEN check_violation THEN
        RAISE EXCEPTION 'A channel is told of incidents after up to 24 hours, reminded every 5 '
            'minutes to 7 days, and has quiet hours from a time to a time.' USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.change_channel IS
    'Changes when and of what the account''s channel is told. The sealed address NULL: it is told '
    'where it was; else there, with whatever waits.';

CREATE OR REPLACE FUNCTION report.word_channel(
    given_id integer, given_subject text, given_text text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT vantage.channels := vantage.own_channel(given_id);
BEGIN
    PERFORM vantage.word_channel(known.id, given_subject, given_text);
    PERFORM vantage.record('channel_worded', known.name);
END
$$;
COMMENT ON FUNCTION report.word_channel IS
    'Has the account''s channel told in these words. NULL: in Vantage''s.';

CREATE OR REPLACE FUNCTION report.test_channel(given_id integer)
RETURNS bigint
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT vantage.channels := vantage.own_channel(given_id);
    new_id bigint;
BEGIN
    IF EXISTS (
        SELECT FROM vantage.notifications
        WHERE channel_id = known.id AND kind = 'test' AND created_at > now() - INTERVAL '10 s'
    ) THEN
        RAISE EXCEPTION 'A test was asked for a moment ago. Wait ten seconds.'
            USING ERRCODE = 'VA409';
    END IF;
    new_id := vantage.test_channel(known.id, (SELECT email FROM vantage.users
        WHERE id = vantage.current_user_id()));
    PERFORM vantage.record('channel_tested', known.name);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION report.test_channel IS
    'Has the account''s channel told that this is a test; returns the notification''s id.';

CREATE OR REPLACE FUNCTION vantage.test_channel(given_id integer, asked_by text)
RETURNS bigint
LANGUAGE sql
AS $$
    INSERT INTO vantage.notifications (channel_id, step, kind, content)
    SELECT given_id, 'test ' || clock_timestamp(), 'test', jsonb_strip_nulls(jsonb_build_object(
        'asked_by', asked_by,
        'sample', CASE WHEN num_nonnulls(own_subject, own_text) > 0 THEN (
            SELECT jsonb_object_agg(name, sample) FROM vantage.notification_fields()) END))
    FROM vantage.channels
    WHERE id = given_id;
    SELECT pg_notify('vantage_incidents', '');
    SELECT max(id) FROM vantage.notifications WHERE channel_id = given_id AND kind = 'test'
$$;
COMMENT ON FUNCTION vantage.test_channel IS
    'Has a channel told that this is a test, quiet hours or not; returns the notification''s id.';

CREATE OR REPLACE FUNCTION report.mute_channel(given_id integer, is_wanted boolean)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT vantage.channels := vantage.own_channel(given_id);
BEGIN
    UPDATE vantage.channels SET muted_at = CASE WHEN is_wanted THEN now() END WHERE id = known.id;
    PERFORM vantage.record(
        CASE WHEN is_wanted THEN 'channel_muted' ELSE 'channel_unmuted' END, known.name);
END
$$;
COMMENT ON FUNCTION report.mute_channel IS 'Tells the account''s channel nothing, or again.';

CREATE OR REPLACE FUNCTION report.remove_channel(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known CONSTANT vantage.channels := vantage.own_channel(given_id);
BEGIN
    DELETE FROM vantage.channels WHERE id = known.id;
    PERFORM vantage.record('channel_removed', known.name);
END
$$;
COMMENT ON FUNCTION report.remove_channel IS 'Forgets the account''s channel and what it was told.';
