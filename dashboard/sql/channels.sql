-- Where the account is told.

-- sealing_key --
SELECT
    key_id,
    public_key
FROM report.sealing_keys

-- notifying --
SELECT
    looked_at,
    is_away
FROM report.notifying

-- channels --
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
    waiting,
    own_subject,
    own_text
FROM report.channels
ORDER BY
    delay_s,
    lower(name)

-- told --
SELECT
    id,
    channel,
    kind,
    content,
    created_at,
    due_at,
    sent_at,
    given_up_at,
    last_error
FROM report.notifications
ORDER BY id DESC
LIMIT 30

-- notifications --
SELECT
    id,
    channel,
    kind,
    COALESCE(content ->> 'monitor', content ->> 'title') AS about,
    incident_id,
    content ->> 'severity' AS severity,
    content ->> 'cause' AS cause,
    content ->> 'summary' AS summary,
    created_at,
    due_at,
    attempts,
    sent_at,
    given_up_at,
    last_error
FROM report.notifications
ORDER BY id DESC
LIMIT %(count)s

-- add_channel --
SELECT report.add_channel(
    %(name)s, %(kind)s, %(hint)s, %(key_id)s, %(sealed)s, %(least_severity)s, %(delay_s)s,
    %(remind_s)s, %(quiet_from)s, %(quiet_to)s, %(time_zone)s, %(monitor_ids)s) AS id

-- change_channel --
SELECT report.change_channel(
    %(id)s, %(name)s, %(kind)s, %(hint)s, %(key_id)s, %(sealed)s, %(least_severity)s, %(delay_s)s,
    %(remind_s)s, %(quiet_from)s, %(quiet_to)s, %(time_zone)s, %(monitor_ids)s)

-- word_channel --
SELECT report.word_channel(%(id)s, %(subject)s, %(text)s)

-- notification_fields --
SELECT
    name,
    says,
    sample
FROM report.notification_fields

-- preview_words --
SELECT
    subject,
    content
FROM report.preview_words(%(subject)s, %(text)s)

-- test_channel --
SELECT report.test_channel(%(id)s)

-- mute_channel --
SELECT report.mute_channel(%(id)s, %(is_wanted)s)

-- remove_channel --
SELECT report.remove_channel(%(id)s)
