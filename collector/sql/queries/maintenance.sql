-- Maintenance: what is planned, and the windows that rules make.

-- unplanned --
SELECT
    id,
    first_at,
    time_zone,
    duration_s,
    rule,
    COALESCE(planned_to_at, created_at - make_interval(secs => duration_s)) AS from_at,
    now() + INTERVAL '90 days' AS to_at
FROM vantage.maintenance_rules
WHERE planned_to_at IS NULL OR planned_to_at < now() + INTERVAL '60 days'
FOR UPDATE SKIP LOCKED

-- plan --
INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at, title, rule_id)
SELECT
    account_id,
    monitor_id,
    %(from_at)s,
    %(from_at)s + make_interval(secs => duration_s),
    title,
    id
FROM vantage.maintenance_rules
WHERE id = %(id)s
ON CONFLICT DO NOTHING

-- planned --
UPDATE vantage.maintenance_rules
SET planned_to_at = %(to_at)s
WHERE id = %(id)s

-- add --
INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at, title)
VALUES (%(account_id)s, %(monitor_id)s, %(from_at)s, %(to_at)s, %(title)s)
RETURNING id

-- add_rule --
INSERT INTO vantage.maintenance_rules
    (account_id, monitor_id, first_at, time_zone, duration_s, rule, title)
VALUES (%(account_id)s, %(monitor_id)s, %(first_at)s, %(time_zone)s, %(duration_s)s, %(rule)s,
    %(title)s)
RETURNING id

-- owner --
SELECT account_id
FROM vantage.monitors
WHERE id = %(monitor_id)s AND removed_at IS NULL

-- list --
SELECT
    maintenance.id,
    maintenance.rule_id AS rule,
    accounts.name AS account,
    maintenance.monitor_id AS monitor,
    maintenance.from_at,
    maintenance.to_at,
    maintenance.title
FROM vantage.maintenance
JOIN vantage.accounts ON accounts.id = maintenance.account_id
WHERE maintenance.to_at > CASE WHEN %(over)s THEN '-infinity' ELSE now() END
ORDER BY maintenance.from_at, maintenance.id

-- rules --
SELECT
    maintenance_rules.id,
    accounts.name AS account,
    maintenance_rules.monitor_id AS monitor,
    maintenance_rules.first_at,
    maintenance_rules.time_zone,
    maintenance_rules.duration_s,
    maintenance_rules.rule,
    maintenance_rules.title
FROM vantage.maintenance_rules
JOIN vantage.accounts ON accounts.id = maintenance_rules.account_id
ORDER BY maintenance_rules.id

-- end --
SELECT vantage.end_maintenance(%(id)s) AS became

-- remove_rule --
SELECT vantage.remove_maintenance_rule(%(id)s) AS rule
