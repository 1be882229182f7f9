-- Mail about licences, the product and reports: who is to be sent what, and what became of it.

CREATE OR REPLACE FUNCTION vantage.decide_licence_mails(at timestamptz DEFAULT now())
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    made integer;
BEGIN
    WITH standing AS (
        SELECT
            accounts.*,
            vantage.licence_state_at(accounts, at) AS state,
            told.kind AS told_kind,
            (told.content ->> 'ends_at')::timestamptz AS told_ends_at
        FROM vantage.accounts
        LEFT JOIN LATERAL (
            SELECT mails.kind, mails.content
            FROM vantage.mails
            WHERE mails.account_id = accounts.id AND mails.kind NOT IN ('product', 'report')
            ORDER BY mails.id DESC
            LIMIT 1
        ) AS told ON true
        WHERE accounts.deleted_at IS NULL
    ),
    news AS (
        SELECT
            standing.*,
            threshold.days,
            CASE
                WHEN state = 'expired' THEN 'expired'
                WHEN state = 'grace' THEN 'grace_began'
                WHEN told_kind <> 'renewed' AND told_ends_at < COALESCE(licence_ends_at, 'infinity')
                    THEN 'renewed'
                WHEN threshold.days IS NULL THEN NULL
                WHEN state = 'trial' THEN 'trial_ends'
                ELSE 'licence_ends'
            END AS kind
        FROM standing
        LEFT JOIN LATERAL (
            SELECT min(days) AS days
            FROM unnest(CASE state WHEN 'trial' THEN ARRAY[1, 7] ELSE ARRAY[1, 7, 14] END) AS days
            WHERE licence_ends_at <= at + make_interval(days => days)
        ) AS threshold ON NOT standing.is_renewing
    ),
    steps AS (
        SELECT
            news.id AS account_id,
            news.kind,
            concat_ws(' ', news.kind, CASE WHEN news.kind LIKE '%\_ends' THEN news.days END,
                COALESCE(extract(epoch FROM news.licence_ends_at)::bigint::text, 'never')) AS step,
            jsonb_build_object(
                'account', news.name,
                'plan', plans.title,
                'ends_at', news.licence_ends_at,
                'grace_ends_at',
                    news.licence_ends_at + make_interval(days => news.grace_days)) AS content
        FROM news
        JOIN vantage.plans ON plans.name = news.plan
        WHERE news.kind IS NOT NULL
    )
    INSERT INTO vantage.mails (account_id, user_id, step, kind, content)
    SELECT steps.account_id, users.id, steps.step, steps.kind, steps.content
    FROM steps
    JOIN vantage.users ON users.account_id = steps.account_id AND users.role = 'owner'
    -- Who becomes an owner later is not told what the others were told long ago.
    WHERE NOT EXISTS (
        SELECT FROM vantage.mails
        WHERE mails.account_id = steps.account_id AND mails.step = steps.step);
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.decide_licence_mails IS
    'Decides what owners are told of their licence, once each: that a trial ends within 7 and 1 days, '
    'a licence within 14, 7 and 1; that grace began; that it expired; and, where any of these was '
    'told, that it was renewed. Returns how many mails that are.';

CREATE OR REPLACE FUNCTION vantage.queue_product_mail(
    given_subject text, given_paragraphs text[], given_plan text)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    made integer;
    written CONSTANT jsonb := jsonb_build_object(
        'subject', given_subject, 'paragraphs', given_paragraphs);
BEGIN
    INSERT INTO vantage.mails (account_id, user_id, step, kind, content)
    SELECT accounts.id, users.id, 'product ' || md5(written::text), 'product', written
    FROM vantage.users
    JOIN vantage.accounts ON accounts.id = users.account_id
    WHERE users.wants_product_mail
        AND accounts.deleted_at IS NULL
        AND (given_plan IS NULL OR accounts.plan = given_plan)
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.queue_product_mail IS
    'Has the people mailed who want mail about the product (of accounts with a plan, or all), each '
    'text once; returns how many they are.';

CREATE OR REPLACE FUNCTION vantage.choose_product_mail(given_user_id integer, is_wanted boolean)
RETURNS void
LANGUAGE sql
AS $$
    UPDATE vantage.users SET wants_product_mail = is_wanted WHERE id = given_user_id;
    DELETE FROM vantage.mails
    WHERE user_id = given_user_id AND kind = 'product' AND sent_at IS NULL AND NOT is_wanted
$$;
COMMENT ON FUNCTION vantage.choose_product_mail IS
    'Whether a person gets mail about the product; what waits for who does not is forgotten.';

CREATE OR REPLACE FUNCTION report.choose_product_mail(is_wanted boolean)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.require_role('viewer');
    PERFORM vantage.choose_product_mail(vantage.current_user_id(), is_wanted);
    PERFORM vantage.record(
        CASE WHEN is_wanted THEN 'product_mail_chosen' ELSE 'product_mail_refused' END);
END
$$;
COMMENT ON FUNCTION report.choose_product_mail IS
    'Whether the current person gets mail about the product.';

CREATE OR REPLACE FUNCTION report.unsubscribe(given_user_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM vantage.choose_product_mail(given_user_id, false);
END
$$;
COMMENT ON FUNCTION report.unsubscribe IS
    'Ends mail about the product for whom a signed link names; the report centre has verified it.';

CREATE OR REPLACE VIEW report.own_choices WITH (security_barrier) AS
SELECT
    id,
    wants_product_mail
FROM vantage.users
WHERE id = vantage.current_user_id() AND account_id = vantage.current_account();
COMMENT ON VIEW report.own_choices IS 'What the current person chose.';
COMMENT ON COLUMN report.own_choices.id IS 'Who that is.';
COMMENT ON COLUMN report.own_choices.wants_product_mail IS 'Whether they get mail about the product.';

CREATE OR REPLACE FUNCTION report.claim_mail(lease_s integer)
RETURNS TABLE (
    id bigint, lease uuid, kind text, content jsonb, created_at timestamptz, user_id integer,
    email text, name text, time_zone text)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen_id bigint;
BEGIN
    SELECT mails.id INTO chosen_id
    FROM vantage.mails
    JOIN vantage.accounts ON accounts.id = mails.account_id
    WHERE mails.sent_at IS NULL
        AND mails.given_up_at IS NULL
        AND mails.due_at <= now()
        AND COALESCE(mails.leased_until, '-infinity') <= now()
        AND accounts.deleted_at IS NULL
    ORDER BY mails.due_at, mails.id
    LIMIT 1
    FOR UPDATE OF mails SKIP LOCKED;
    UPDATE vantage.mails
    SET lease = gen_random_uuid(), leased_until = now() + make_interval(secs => lease_s)
    WHERE mails.id = chosen_id;
    RETURN QUERY
    SELECT mails.id, mails.lease, mails.kind, mails.content, mails.created_at, users.id,
        users.email, users.name, users.time_zone
    FROM vantage.mails
    JOIN vantage.users ON users.id = mails.user_id
    WHERE mails.id = chosen_id;
END
$$;
COMMENT ON FUNCTION report.claim_mail IS
    'One mail to send, which is then this sender''s for lease_s seconds. No row: nothing is due.';

CREATE OR REPLACE FUNCTION report.finish_mail(given_id bigint, given_lease uuid, given_error text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE vantage.mails
    SET
        attempts = attempts + 1,
        lease = NULL,
        leased_until = NULL,
        sent_at = CASE WHEN given_error IS NULL THEN now() END,
        -- 5 s, 10 s, 20 s, ... an hour; given up after about a day, as notifications are.
        due_at = CASE WHEN given_error IS NULL THEN due_at
            ELSE now() + LEAST(5 * power(2, attempts), 3600) * (0.9 + random() * 0.2)
                * INTERVAL '1 second' END,
        given_up_at = CASE WHEN given_error IS NOT NULL AND attempts >= 32 THEN now() END,
        last_error = given_error
    WHERE id = given_id AND lease = given_lease AND sent_at IS NULL
$$;
COMMENT ON FUNCTION report.finish_mail IS
    'Writes down what became of a mail that was claimed. An error of NULL: it was handed in.';

CREATE OR REPLACE VIEW report.mails WITH (security_barrier) AS
SELECT
    mails.id,
    mails.kind,
    users.email,
    mails.content,
    mails.created_at,
    mails.sent_at,
    mails.given_up_at,
    mails.last_error
FROM vantage.mails
JOIN vantage.users ON users.id = mails.user_id
WHERE mails.account_id = vantage.current_account() AND EXISTS (
    SELECT FROM vantage.users AS visitor
    WHERE visitor.id = vantage.current_user_id()
        AND visitor.account_id = vantage.current_account()
        AND (visitor.role = 'owner' OR visitor.id = mails.user_id));
COMMENT ON VIEW report.mails IS
    'Mail to the account''s people about their licence, the product and reports; owners see '
    'everybody''s, others their own. Its columns are explained at vantage.mails.';
COMMENT ON COLUMN report.mails.email IS 'Whom it is sent to.';

CREATE OR REPLACE VIEW report.outbox WITH (security_barrier) AS
SELECT
    count(*) AS waiting,
    min(mails.created_at) AS oldest_at
FROM vantage.mails
JOIN vantage.accounts ON accounts.id = mails.account_id
WHERE mails.sent_at IS NULL AND mails.given_up_at IS NULL AND accounts.deleted_at IS NULL
HAVING EXISTS (
    SELECT FROM vantage.users AS visitor
    WHERE visitor.id = vantage.current_user_id()
        AND visitor.account_id = vantage.current_account()
        AND visitor.is_operator);
COMMENT ON VIEW report.outbox IS
    'What is queued in vantage.mails for all accounts, where the current person runs this installation.';
COMMENT ON COLUMN report.outbox.waiting IS 'Mails that are not sent yet, those between two tries included.';
COMMENT ON COLUMN report.outbox.oldest_at IS 'When the oldest was decided. NULL: none waits.';
