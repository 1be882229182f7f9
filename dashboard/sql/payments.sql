-- Licences that are paid for.

-- offers --
SELECT
    name,
    title,
    max_monitors,
    min_interval_s,
    max_locations,
    max_members,
    stripe_price,
    results_days
FROM report.offers
ORDER BY
    max_monitors NULLS LAST,
    name

-- subscription --
SELECT
    customer_id,
    status,
    is_renewing
FROM report.subscription

-- note_payment_event --
SELECT report.note_payment_event(%(id)s, %(kind)s) AS is_done

-- one_subscription_at_a_time --
SELECT pg_advisory_xact_lock(hashtext('subscriptions'), hashtext(%(id)s))

-- set_subscription --
SELECT report.set_subscription(
    %(account_id)s, %(subscription_id)s, %(customer_id)s, %(price)s, %(status)s,
    %(period_from_at)s, %(period_to_at)s, %(ended_at)s, %(is_ending)s) AS is_done
