-- Telling people: what is to be told to whom, and how an account arranges it. Errors as in
-- 20_people.sql.

CREATE OR REPLACE FUNCTION vantage.after_quiet(channel vantage.channels, at timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT CASE
        WHEN channel.quiet_from IS NULL OR channel.quiet_from = channel.quiet_to THEN after_quiet.at
        WHEN channel.quiet_from < channel.quiet_to
            AND clock.at::time >= channel.quiet_from AND clock.at::time < channel.quiet_to
            THEN (clock.at::date + channel.quiet_to) AT TIME ZONE channel.time_zone
        WHEN channel.quiet_from > channel.quiet_to AND clock.at::time >= channel.quiet_from
            THEN (clock.at::date + 1 + channel.quiet_to) AT TIME ZONE channel.time_zone
        WHEN channel.quiet_from > channel.quiet_to AND clock.at::time < channel.quiet_to
            THEN (clock.at::date + channel.quiet_to) AT TIME ZONE channel.time_zone
        ELSE after_quiet.at
    END
    FROM (SELECT after_quiet.at AT TIME ZONE channel.time_zone) AS clock (at)
$$;
COMMENT ON FUNCTION vantage.after_quiet IS
    'When a channel may be told at the earliest: at this instant, or when its quiet hours end.';

CREATE OR REPLACE FUNCTION vantage.notify(
    channel vantage.channels, given_step text, given_kind text, given_incident_id bigint,
    given_content jsonb)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    made integer;
BEGIN
    -- It is asked every second: what was decided shall take no number of the sequence.
    INSERT INTO vantage.notifications (channel_id, step, kind, incident_id, content, due_at)
    SELECT channel.id, given_step, given_kind, given_incident_id, given_content,
        vantage.after_quiet(channel, now())
    WHERE NOT EXISTS (
        SELECT FROM vantage.notifications WHERE channel_id = channel.id AND step = given_step)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.notify IS
    'Decides that a channel is told something, once; returns 0 where that was decided before.';

CREATE OR REPLACE FUNCTION vantage.notify_of_incidents()
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    found record;
    made integer := 0;
    what text;
    due_at timestamptz;
    looked_at CONSTANT timestamptz := (SELECT notifying.looked_at FROM vantage.notifying);
BEGIN
    FOR found IN
        SELECT
            channels AS channel,
            incidents AS incident,
            format('incident %s %%s %s', incidents.id, incidents.reopened) AS step,
            jsonb_build_object(
                'incident_id', incidents.id,
                'monitor_id', monitors.id,
                'monitor', monitors.name,
                'url', monitors.url,
                'severity', incidents.severity,
                'cause', incidents.cause,
                'summary', incidents.summary,
                'began_at', incidents.began_at,
                'failing_since_at', incidents.failing_since_at,
                'opened_at', incidents.opened_at,
                'recovered_at', incidents.recovered_at,
                'closed_at', incidents.closed_at,
                'acknowledged_by', incidents.acknowledged_by,
                'reopened', incidents.reopened) AS content,
            told.content ->> 'severity' AS told_severity,
            told.created_at AS told_at
        FROM vantage.incidents
        JOIN vantage.monitors ON monitors.id = incidents.monitor_id
        JOIN vantage.accounts ON accounts.id = incidents.account_id AND accounts.deleted_at IS NULL
        JOIN vantage.channels ON channels.account_id = incidents.account_id
        LEFT JOIN vantage.notifications AS told ON told.channel_id = channels.id
            AND told.step = format('incident %s opened %s', incidents.id, incidents.reopened)
        -- What closed is looked at for a day more, so that it is told also after a pause.
        WHERE (incidents.closed_at IS NULL OR incidents.closed_at > now() - INTERVAL '1 day')
            -- Where there may be something to say: thousands may be open, and it is asked every second.
            AND CASE
                WHEN told.id IS NULL
                    THEN incidents.closed_at IS NULL OR incidents.closed_at > looked_at
                WHEN incidents.closed_at IS NULL
                    THEN incidents.severity <> told.content ->> 'severity'
                        OR incidents.acknowledged_at >= told.created_at
                        OR channels.remind_s IS NOT NULL
                ELSE NOT EXISTS (
                    SELECT FROM vantage.notifications AS ending
                    WHERE ending.channel_id = channels.id
                        AND ending.step = format('incident %s closed %s', incidents.id,
                            incidents.reopened))
                END
            AND incidents.opened_at > channels.created_at
            AND channels.muted_at IS NULL
            AND (channels.monitor_ids IS NULL OR incidents.monitor_id = ANY (channels.monitor_ids))
            AND (channels.least_severity = 'degraded' OR incidents.severity = 'down')
    LOOP
        -- It never was well: its monitor was paused or removed, and the event says so.
        IF (found.incident).closed_at = (found.incident).recovered_at AND EXISTS (
            SELECT FROM vantage.incident_events
            WHERE incident_id = (found.incident).id AND kind = 'closed' AND detail IS NOT NULL)
        THEN
            found.content := found.content || '{"is_unwatched": true}';
        END IF;
        IF (found.incident).closed_at IS NULL
            AND vantage.in_maintenance((found.incident).monitor_id, now()) THEN
            CONTINUE;
        END IF;
        IF found.told_severity IS NULL AND (found.incident).closed_at IS NULL THEN
            IF (found.incident).silenced_by IS NULL
                AND ((found.channel).delay_s = 0 OR (found.incident).acknowledged_at IS NULL)
                AND now() >= (found.incident).opened_at
                    + make_interval(secs => (found.channel).delay_s)
            THEN
                made := made + vantage.notify(found.channel, format(found.step, 'opened'), 'opened',
                    (found.incident).id, found.content);
            END IF;
            CONTINUE;
        ELSIF found.told_severity IS NULL THEN
            -- Over before anybody could say that it opened: told as one thing, where it came due
            -- and was over while nobody looked.
            due_at := make_interval(secs => (found.channel).delay_s) + COALESCE(
                (SELECT max(at) FROM vantage.incident_events
                 WHERE incident_id = (found.incident).id AND kind IN ('opened', 'reopened')),
                (found.incident).opened_at);
            IF due_at > looked_at
                AND due_at <= (found.incident).closed_at
                AND (found.incident).silenced_by IS NULL
                AND ((found.channel).delay_s = 0
                    OR COALESCE((found.incident).acknowledged_at > due_at, true))
                AND NOT vantage.in_maintenance((found.incident).monitor_id, due_at)
            THEN
                made := made + vantage.notify(found.channel, format(found.step, 'closed'), 'closed',
                    (found.incident).id, found.content || '{"is_first": true}');
            END IF;
            CONTINUE;
        END IF;
        IF (found.incident).closed_at IS NOT NULL THEN
            what := 'closed';
        ELSIF (found.incident).silenced_by IS NOT NULL THEN
            CONTINUE;
        ELSIF (found.incident).severity = 'down' AND found.told_severity = 'degraded'
            AND NOT EXISTS (
                SELECT FROM vantage.notifications
                WHERE channel_id = (found.channel).id AND step = format(found.step, 'worsened'))
        THEN
            what := 'worsened';
        ELSIF (found.incident).acknowledged_at IS NOT NULL THEN
            -- What was acknowledged before it was reopened was told as such.
            CONTINUE WHEN (found.incident).acknowledged_at < found.told_at;
            what := 'acknowledged';
        ELSIF (found.channel).remind_s IS NOT NULL
            AND (found.incident).recovered_at IS NULL
            AND now() >= (found.incident).opened_at
                + make_interval(secs => (found.channel).delay_s + (found.channel).remind_s)
        THEN
            made := made + vantage.notify(found.channel,
                format(found.step, 'reminder') || '.' || floor(
                    extract(epoch FROM now() - (found.incident).opened_at
                        - make_interval(secs => (found.channel).delay_s))
                    / (found.channel).remind_s),
                'reminder', (found.incident).id, found.content);
            CONTINUE;
        ELSE
            CONTINUE;
        END IF;
        made := made + vantage.notify(
            found.channel, format(found.step, what), what, (found.incident).id, found.content);
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.notify_of_incidents IS
    'Decides what channels are told of incidents: that one opened (after the channel''s delay, '
    'unless acknowledged), is still open, worsened, was acknowledged, closed. Who was not told that '
    'it opened is told nothing of it, unless it was over before any notifier looked; of what is open '
    'during maintenance nobody is told. Made from the incidents themselves, so that nothing is lost '
    'by a pause; returns how many were decided.';

CREATE OR REPLACE FUNCTION vantage.notify_of_certificates()
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    found record;
    made integer := 0;
BEGIN
    FOR found IN
        SELECT
            channels AS channel,
            format('certificate %s monitor %s %s', encode(current.sha256, 'hex'), monitors.id,
                threshold.days) AS step,
            jsonb_build_object(
                'monitor_id', monitors.id,
                'monitor', monitors.name,
                'url', monitors.url,
                'subject', current.subject,
                'issuer', current.issuer,
                'expires_at', current.not_after,
                'days', threshold.days) AS content
        FROM vantage.monitors
        JOIN vantage.accounts ON accounts.id = monitors.account_id AND accounts.deleted_at IS NULL
        JOIN vantage.channels ON channels.account_id = monitors.account_id
            AND channels.muted_at IS NULL
            AND (channels.monitor_ids IS NULL OR monitors.id = ANY (channels.monitor_ids))
        -- What each location saw last; the one that expires first is told.
        JOIN LATERAL (
            SELECT leaf.sha256, leaf.subject, leaf.issuer, leaf.not_after
            FROM (
                SELECT DISTINCT ON (sightings.location) sightings.chain[1] AS sha256
                FROM vantage.certificate_sightings AS sightings
                WHERE sightings.monitor_id = monitors.id
                    AND sightings.last_seen_at > now() - INTERVAL '2 days'
                ORDER BY sightings.location, sightings.last_seen_at DESC
            ) AS latest
            JOIN vantage.certificates AS leaf USING (sha256)
            ORDER BY leaf.not_after
            LIMIT 1
        ) AS current ON true
        JOIN LATERAL (
            SELECT min(days) AS days
            FROM unnest(ARRAY[1, 7, 14, 30]) AS days
            WHERE current.not_after <= now() + make_interval(days => days)
        ) AS threshold ON threshold.days IS NOT NULL
        WHERE monitors.removed_at IS NULL
            AND monitors.paused_at IS NULL
            -- Escalation is for incidents.
            AND channels.delay_s = 0
            AND current.not_after > now()
    LOOP
        made := made
            + vantage.notify(found.channel, found.step, 'certificate', NULL, found.content);
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.notify_of_certificates IS
    'Decides who is told that a certificate expires within 30, 14, 7 or 1 days, once each.';

CREATE OR REPLACE FUNCTION vantage.notify_operators()
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    found record;
    made integer := 0;
    looked_at CONSTANT timestamptz := (SELECT notifying.looked_at FROM vantage.notifying);
BEGIN
    FOR found IN
        SELECT
            channels AS channel,
            troubles AS trouble,
            format('trouble %s ', troubles.id) AS step,
            jsonb_build_object(
                'location', troubles.location,
                'title', locations.title,
                'kind', troubles.kind,
                'summary', troubles.detail,
                'began_at', troubles.began_at,
                'ended_at', troubles.ended_at) AS content
        FROM vantage.location_troubles AS troubles
        JOIN vantage.locations ON locations.name = troubles.location
        JOIN vantage.channels ON channels.account_id IS NULL AND channels.muted_at IS NULL
        WHERE troubles.began_at > channels.created_at
            AND COALESCE(troubles.ended_at, now()) > now() - INTERVAL '1 day'
            AND now() >= troubles.began_at + make_interval(secs => channels.delay_s)
    LOOP
        IF (found.trouble).ended_at IS NULL THEN
            made := made
                + vantage.notify(found.channel, found.step || 'began', 'trouble', NULL, found.content);
        ELSIF EXISTS (
            SELECT FROM vantage.notifications
            WHERE channel_id = (found.channel).id AND step = found.step || 'began'
        ) THEN
            made := made + vantage.notify(
                found.channel, found.step || 'ended', 'trouble_over', NULL, found.content);
        ELSIF (found.trouble).began_at + make_interval(secs => (found.channel).delay_s)
            BETWEEN looked_at AND (found.trouble).ended_at
        THEN
            made := made + vantage.notify(found.channel, found.step || 'ended', 'trouble_over', NULL,
                found.content || '{"is_first": true}');
        END IF;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.notify_operators IS
    'Decides what the operators'' channels are told: a location went silent or fails by itself, and '
    'when that was over.';

CREATE OR REPLACE FUNCTION vantage.decide_notifications(with_certificates boolean)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    made integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('vantage.notifications')) THEN
        RETURN 0;
    END IF;
    made := vantage.notify_of_incidents() + vantage.notify_operators()
        + CASE WHEN with_certificates THEN vantage.notify_of_certificates() ELSE 0 END;
    -- It is asked every second; a row that is written as often would be for nothing.
    UPDATE vantage.notifying SET looked_at = now() WHERE looked_at < now() - INTERVAL '5 s';
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.decide_notifications IS
    'Decides all that is to be told by now; 0 also while another sender does it.';

-- For the report centre ---------------------------------------------------------------------------

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

-- For whoever sends -------------------------------------------------------------------------------

DO $$
BEGIN
    -- What it returns cannot be replaced; it is dropped once, from before there were own words.
    IF NOT EXISTS (
        SELECT FROM pg_proc
        WHERE oid = to_regprocedure('vantage.claim_notifications(integer)')
            AND 'own_subject' = ANY (proargnames)
    ) THEN
        DROP FUNCTION IF EXISTS vantage.claim_notifications(integer);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION vantage.claim_notifications(lease_s integer)
RETURNS TABLE (
    id bigint, kind text, content jsonb, created_at timestamptz, batch uuid, lease uuid,
    channel_id integer, account_id integer, channel text, channel_kind text, key_id text,
    sealed bytea, time_zone text, own_subject text, own_text text)
LANGUAGE plpgsql
AS $$
DECLARE
    chosen vantage.channels;
    chosen_batch uuid;
    new_lease CONSTANT uuid := gen_random_uuid();
BEGIN
    SELECT channels.* INTO chosen
    FROM vantage.channels
    WHERE COALESCE(channels.leased_until, '-infinity') <= now()
        AND EXISTS (
            SELECT FROM vantage.notifications AS waiting
            WHERE waiting.channel_id = channels.id
                AND waiting.sent_at IS NULL
                AND waiting.given_up_at IS NULL
                AND waiting.due_at <= now()
                AND (waiting.kind = 'test' OR (channels.muted_at IS NULL
                    AND (channels.kind = 'webhook'
                        OR waiting.batch IS NOT NULL
                        OR COALESCE(channels.last_sent_at, '-infinity')
                            <= now() - make_interval(secs => channels.spacing_s)))))
    ORDER BY channels.last_sent_at NULLS FIRST, channels.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF chosen.id IS NULL THEN
        RETURN;
    END IF;
    -- A message that was tried is tried again as it was, and a test goes by itself.
    SELECT waiting.batch INTO chosen_batch
    FROM vantage.notifications AS waiting
    WHERE waiting.channel_id = chosen.id
        AND waiting.sent_at IS NULL
        AND waiting.given_up_at IS NULL
        AND waiting.due_at <= now()
        AND waiting.batch IS NOT NULL
    ORDER BY waiting.id
    LIMIT 1;
    IF chosen_batch IS NULL THEN
        chosen_batch := gen_random_uuid();
        UPDATE vantage.notifications AS waiting
        SET batch = chosen_batch
        WHERE waiting.id IN (
            SELECT oldest.id
            FROM vantage.notifications AS oldest
            WHERE oldest.channel_id = chosen.id
                AND oldest.sent_at IS NULL
                AND oldest.given_up_at IS NULL
                AND oldest.due_at <= now()
                AND (oldest.kind = 'test') = EXISTS (
                    SELECT FROM vantage.notifications AS test
                    WHERE test.channel_id = chosen.id
                        AND test.kind = 'test'
                        AND test.sent_at IS NULL
                        AND test.given_up_at IS NULL
                        AND test.due_at <= now())
            ORDER BY oldest.id
            -- A program is told one thing at a time.
            LIMIT CASE WHEN chosen.kind = 'webhook' THEN 1 ELSE 100 END);
    END IF;
    UPDATE vantage.channels
    SET lease = new_lease, leased_until = now() + make_interval(secs => lease_s)
    WHERE channels.id = chosen.id;
    RETURN QUERY
    SELECT waiting.id, waiting.kind, waiting.content, waiting.created_at, waiting.batch, new_lease,
        chosen.id, chosen.account_id, chosen.name, chosen.kind, chosen.key_id, chosen.sealed,
        chosen.time_zone, chosen.own_subject, chosen.own_text
    FROM vantage.notifications AS waiting
    WHERE waiting.batch = chosen_batch AND waiting.sent_at IS NULL AND waiting.given_up_at IS NULL
    ORDER BY waiting.id;
END
$$;
COMMENT ON FUNCTION vantage.claim_notifications IS
    'One message to send: what is due for a channel that no other sender works on, which is then '
    'this one''s for lease_s seconds. No row: nothing is due.';

CREATE OR REPLACE FUNCTION vantage.hold_channel(given_lease uuid, lease_s integer)
RETURNS void
LANGUAGE sql
AS $$
    UPDATE vantage.channels SET leased_until = now() + make_interval(secs => lease_s)
    WHERE lease = given_lease
$$;
COMMENT ON FUNCTION vantage.hold_channel IS
    'Keeps a channel for the sender that works on it: it lives, and needs longer than a lease.';

CREATE OR REPLACE FUNCTION vantage.finish_notifications(
    given_batch uuid, given_lease uuid, given_error text)
RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    finished_id integer;
BEGIN
    UPDATE vantage.channels
    SET
        lease = NULL,
        leased_until = NULL,
        last_sent_at = CASE WHEN given_error IS NULL THEN now() ELSE last_sent_at END,
        failing_since_at = CASE WHEN given_error IS NULL THEN NULL
            ELSE COALESCE(failing_since_at, now()) END,
        last_error = given_error
    WHERE lease = given_lease
    RETURNING id INTO finished_id;
    -- Also a sender that was too slow says that it has sent: better than to send it again.
    UPDATE vantage.notifications
    SET
        attempts = attempts + 1,
        sent_at = CASE WHEN given_error IS NULL THEN now() END,
        -- 5 s, 10 s, 20 s, ... an hour; given up after about a day.
        due_at = CASE WHEN given_error IS NULL THEN due_at
            ELSE now() + LEAST(5 * power(2, attempts), 3600) * (0.9 + random() * 0.2)
                * INTERVAL '1 second' END,
        given_up_at = CASE WHEN given_error IS NOT NULL AND (attempts >= 32 OR kind = 'test')
            THEN now() END,
        last_error = given_error
    WHERE batch = given_batch AND sent_at IS NULL AND given_up_at IS NULL
        AND (given_error IS NULL OR finished_id IS NOT NULL);
    RETURN finished_id IS NOT NULL;
END
$$;
COMMENT ON FUNCTION vantage.finish_notifications IS
    'Writes down what became of a message: sent (error NULL), or to be tried again later. False: '
    'another sender had taken over.';
