-- Licences that are paid for at Stripe's hosted checkout.

CREATE OR REPLACE VIEW report.offers WITH (security_barrier) AS
SELECT
    name,
    title,
    max_monitors,
    min_interval_s,
    max_locations,
    max_members,
    stripe_price,
    LEAST(
        max_results_days,
        (SELECT extract(epoch FROM keep)::integer / 86400
         FROM vantage.retention WHERE relation = 'results')) AS results_days
FROM vantage.plans
WHERE stripe_price IS NOT NULL AND vantage.current_account() IS NOT NULL;
COMMENT ON VIEW report.offers IS
    'Plans that can be bought; its columns are explained at vantage.plans.';
COMMENT ON COLUMN report.offers.results_days IS
    'For how many days results would be kept, hours and days longer. NULL: for ever.';

CREATE OR REPLACE VIEW report.subscription WITH (security_barrier) AS
SELECT
    subscriptions.customer_id,
    subscriptions.status,
    accounts.is_renewing
FROM vantage.subscriptions
JOIN vantage.accounts ON accounts.id = subscriptions.account_id
WHERE subscriptions.account_id = vantage.current_account() AND EXISTS (
    SELECT FROM vantage.users AS visitor
    WHERE visitor.id = vantage.current_user_id()
        AND visitor.account_id = vantage.current_account()
        AND visitor.role = 'owner');
COMMENT ON VIEW report.subscription IS
    'How the account pays, for its owners; its columns are explained at vantage.subscriptions.';
COMMENT ON COLUMN report.subscription.is_renewing IS 'It renews the licence by itself.';

CREATE OR REPLACE FUNCTION report.note_payment_event(given_id text, given_kind text)
RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM vantage.payment_events WHERE received_at < now() - INTERVAL '90 days';
    -- The same event twice at one time: the second waits here for the first.
    INSERT INTO vantage.payment_events (id, kind) VALUES (given_id, given_kind)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION report.note_payment_event IS
    'Takes note of an event whose signature the report centre has verified. False: it was here before.';

CREATE OR REPLACE FUNCTION report.set_subscription(
    given_account_id integer, given_subscription_id text, given_customer_id text, given_price text,
    given_status text, period_from_at timestamptz, period_to_at timestamptz,
    ended_at timestamptz, is_ending boolean)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account vantage.accounts;
    known vantage.subscriptions;
    paid_until timestamptz;
BEGIN
    SELECT * INTO account FROM vantage.accounts
    WHERE id = given_account_id AND deleted_at IS NULL
    FOR NO KEY UPDATE;
    SELECT * INTO known FROM vantage.subscriptions WHERE account_id = given_account_id;
    IF account.id IS NULL
        OR given_status IN ('incomplete', 'incomplete_expired')
        -- One that is over says nothing of the one that followed it.
        OR (given_status = 'canceled' AND known.subscription_id <> given_subscription_id) THEN
        RETURN false;
    END IF;
    paid_until := CASE
        WHEN given_status IN ('active', 'trialing') THEN period_to_at
        WHEN given_status = 'canceled'
            THEN LEAST(account.licence_ends_at, COALESCE(ended_at, now()))
        -- past_due, unpaid, paused: the period has begun and is not paid.
        ELSE period_from_at
    END;
    INSERT INTO vantage.subscriptions (account_id, subscription_id, customer_id, status)
    VALUES (given_account_id, given_subscription_id, given_customer_id, given_status)
    ON CONFLICT (account_id) DO UPDATE SET
        subscription_id = excluded.subscription_id,
        customer_id = excluded.customer_id,
        status = excluded.status,
        updated_at = now();
    -- Its monitors rest, or go on.
    PERFORM set_config('vantage.account_id', given_account_id::text, true);
    UPDATE vantage.accounts
    SET
        plan = COALESCE((SELECT name FROM vantage.plans WHERE stripe_price = given_price), plan),
        licence_ends_at = paid_until,
        is_trial = given_status = 'trialing',
        is_renewing = given_status IN ('active', 'trialing') AND NOT is_ending
    WHERE id = given_account_id;
    INSERT INTO vantage.audit_log (account_id, actor, action, detail)
    VALUES (given_account_id, 'Stripe', 'subscription_changed', given_status);
    RETURN true;
END
$$;
COMMENT ON FUNCTION report.set_subscription IS
    'Makes an account''s plan and licence what its subscription is now, as the report centre asked '
    'Stripe for it. False: that changes nothing.';

CREATE OR REPLACE FUNCTION vantage.require_no_renewal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL AND NEW.is_renewing THEN
        RAISE EXCEPTION 'The subscription would be paid on. End it first: Settings, Plan and licence.'
            USING ERRCODE = 'VA409';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION vantage.require_no_renewal IS
    'Trigger: no account is deleted whose subscription would be paid on.';
CREATE OR REPLACE TRIGGER accounts_not_renewing
    BEFORE UPDATE OF deleted_at ON vantage.accounts
    FOR EACH ROW EXECUTE FUNCTION vantage.require_no_renewal();
