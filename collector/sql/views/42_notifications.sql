-- Telling people: what is to be told to whom. 43_channels.sql is how an account arranges it,
-- 43_sending.sql how it is sent.

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
