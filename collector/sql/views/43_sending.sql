-- Sending: what is due goes to whoever sends, a channel to one of them at a time.

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
