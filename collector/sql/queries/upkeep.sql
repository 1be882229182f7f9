-- What one collector at a time does for the whole database, and what operators set for it.

-- lead --
SELECT pg_try_advisory_lock(hashtext('vantage.upkeep')) AS is_leader

-- roll_up --
SELECT
    batches,
    results
FROM vantage.roll_up()

-- sum_up_medians --
SELECT vantage.sum_up_medians()::text AS made

-- sum_up_hour --
SELECT vantage.sum_up_hour()::text AS made

-- keep_baselines --
SELECT vantage.keep_baselines(%(hour_at)s) AS kept

-- notifications_due --
SELECT
    count(*) AS waiting,
    COALESCE(extract(epoch FROM now() - min(notifications.due_at)), 0)::double precision AS oldest_s,
    COALESCE(
        (SELECT extract(epoch FROM now() - notifying.looked_at) FROM vantage.notifying
         WHERE notifying.looked_at < now() - INTERVAL '1 minute'
             AND EXISTS (SELECT FROM vantage.channels WHERE channels.muted_at IS NULL)),
        0)::double precision AS away_s
FROM vantage.notifications
JOIN vantage.channels ON channels.id = notifications.channel_id
WHERE notifications.sent_at IS NULL
    AND notifications.given_up_at IS NULL
    AND notifications.due_at <= now()
    AND channels.muted_at IS NULL

-- rollup_lag --
SELECT extract(epoch FROM lag)::double precision AS lag_s
FROM vantage.rollup_backlog

-- enforce_licences --
SELECT
    account,
    monitors
FROM vantage.enforce_licences()

-- drop_expired --
SELECT
    relation,
    chunk
FROM vantage.drop_expired()

-- remove_expired --
SELECT
    account_id,
    relation,
    removed
FROM vantage.remove_expired()

-- forget_late --
-- An account that is deleted leaves nothing behind, nor do agents' late results of its monitors.
DELETE FROM vantage.quarantine
WHERE monitor_id IS NOT NULL
    AND received_at < now() - INTERVAL '12 hours'
    AND NOT EXISTS (SELECT FROM vantage.monitors WHERE monitors.id = quarantine.monitor_id)

-- retention --
SELECT
    retention.relation,
    extract(epoch FROM retention.keep)::bigint / 86400 AS keep_days,
    min(chunks.range_start) AS nothing_before_at
FROM vantage.retention
LEFT JOIN timescaledb_information.chunks ON chunks.hypertable_schema = 'vantage'
    AND chunks.hypertable_name = retention.relation
GROUP BY
    retention.relation,
    retention.keep
UNION ALL
SELECT
    'results of ' || accounts.name,
    LEAST(accounts.results_kept_days, plans.max_results_days),
    NULL
FROM vantage.accounts
JOIN vantage.plans ON plans.name = accounts.plan
WHERE LEAST(accounts.results_kept_days, plans.max_results_days) IS NOT NULL
ORDER BY relation

-- keep --
UPDATE vantage.retention
SET keep = make_interval(days => %(days)s)
WHERE relation = %(relation)s

-- keep_of_account --
UPDATE vantage.accounts
SET results_kept_days = %(days)s
WHERE name = %(account)s
RETURNING (SELECT max_results_days FROM vantage.plans WHERE plans.name = accounts.plan) AS plan_days
