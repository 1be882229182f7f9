-- Plans and licences.

-- set --
INSERT INTO vantage.plans (
    name, title, max_monitors, min_interval_s, max_locations, max_members, max_results_days,
    stripe_price)
VALUES (
    %(name)s, %(title)s, %(monitors)s, %(interval_s)s, %(locations)s, %(members)s, %(results_days)s,
    %(stripe_price)s)
ON CONFLICT (name)
DO UPDATE SET
    title = excluded.title,
    max_monitors = excluded.max_monitors,
    min_interval_s = excluded.min_interval_s,
    max_locations = excluded.max_locations,
    max_members = excluded.max_members,
    max_results_days = excluded.max_results_days,
    stripe_price = excluded.stripe_price

-- list --
SELECT
    name,
    title,
    max_monitors AS monitors,
    min_interval_s AS interval_s,
    max_locations AS locations,
    max_members AS members,
    max_results_days AS results_days,
    stripe_price,
    (SELECT count(*) FROM vantage.accounts WHERE accounts.plan = plans.name) AS accounts
FROM vantage.plans
ORDER BY name

-- give --
UPDATE vantage.accounts
SET
    plan = COALESCE(%(plan)s, plan),
    licence_ends_at = CASE WHEN %(keeps_end)s THEN licence_ends_at ELSE %(until)s END,
    is_trial = COALESCE(%(is_trial)s, is_trial),
    grace_days = COALESCE(%(grace_days)s, grace_days)
WHERE id = %(id)s

-- account --
SELECT
    accounts.name AS account,
    accounts.plan,
    vantage.licence_state(accounts) AS licence,
    accounts.licence_ends_at AS ends_at,
    accounts.grace_days,
    (SELECT count(*) FROM vantage.monitors
     WHERE monitors.account_id = accounts.id AND monitors.removed_at IS NULL) AS monitors,
    (SELECT count(*) FROM vantage.users WHERE users.account_id = accounts.id) AS members
FROM vantage.accounts
WHERE accounts.id = %(id)s
