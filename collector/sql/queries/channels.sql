-- Channels and what is told to them.

-- is_sealed --
SELECT FROM vantage.channels
UNION ALL
SELECT FROM vantage.secrets
LIMIT 1

-- publish --
INSERT INTO vantage.sealing_keys (key_id, public_key)
VALUES (%(key_id)s, %(public_key)s)
ON CONFLICT (key_id) DO UPDATE SET created_at = GREATEST(sealing_keys.created_at, now())

-- sealing_key --
SELECT
    key_id,
    public_key
FROM vantage.sealing_keys
ORDER BY created_at DESC
LIMIT 1

-- add --
INSERT INTO vantage.channels (
    account_id, name, kind, hint, key_id, sealed, least_severity, monitor_ids, delay_s, remind_s,
    spacing_s, quiet_from, quiet_to, time_zone)
VALUES (
    %(account_id)s, %(name)s, %(kind)s, %(hint)s, %(key_id)s, %(sealed)s, %(least_severity)s,
    %(monitor_ids)s, %(delay_s)s, %(remind_s)s, %(spacing_s)s, %(quiet_from)s, %(quiet_to)s,
    %(time_zone)s)
RETURNING id

-- list --
SELECT
    channels.id,
    COALESCE(accounts.name, '(operators)') AS account,
    channels.name,
    channels.kind,
    channels.hint AS address,
    channels.least_severity,
    channels.monitor_ids,
    channels.delay_s,
    channels.remind_s,
    channels.spacing_s,
    channels.quiet_from,
    channels.quiet_to,
    channels.time_zone,
    channels.muted_at,
    channels.last_sent_at,
    channels.failing_since_at,
    channels.last_error,
    (SELECT count(*) FROM vantage.notifications
     WHERE notifications.channel_id = channels.id AND sent_at IS NULL
         AND given_up_at IS NULL) AS waiting,
    channels.own_subject,
    channels.own_text
FROM vantage.channels
LEFT JOIN vantage.accounts ON accounts.id = channels.account_id
ORDER BY channels.id

-- remove --
DELETE FROM vantage.channels
WHERE id = %(id)s
RETURNING name

-- test --
SELECT vantage.test_channel(id, NULL) AS id
FROM vantage.channels
WHERE id = %(id)s

-- word --
SELECT vantage.word_channel(id, %(subject)s, %(text)s)
FROM vantage.channels
WHERE id = %(id)s

-- notification --
SELECT
    sent_at,
    given_up_at,
    last_error
FROM vantage.notifications
WHERE id = %(id)s

-- sealed --
SELECT
    id,
    account_id,
    key_id,
    sealed
FROM vantage.channels
ORDER BY id
FOR UPDATE

-- reseal --
UPDATE vantage.channels
SET
    key_id = %(key_id)s,
    sealed = %(sealed)s
WHERE id = %(id)s

-- decide --
SELECT vantage.decide_notifications(%(with_certificates)s) AS decided

-- claim --
-- Joined with nothing: the function sees also what was decided after this statement began, and a row
-- that is claimed and not returned would wait until its lease is over.
SELECT claimed.*
FROM vantage.claim_notifications(%(lease_s)s) AS claimed
ORDER BY claimed.id

-- hold --
SELECT vantage.hold_channel(%(lease)s, %(lease_s)s)

-- attempts --
SELECT max(attempts) AS attempts
FROM vantage.notifications
WHERE batch = %(batch)s

-- finish --
SELECT vantage.finish_notifications(%(batch)s, %(lease)s, %(error)s) AS was_ours

-- forget --
DELETE FROM vantage.notifications
WHERE created_at < now() - INTERVAL '400 days'
