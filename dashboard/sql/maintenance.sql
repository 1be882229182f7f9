-- When the account works on what is watched.

-- maintenance --
-- What lasts or is to come, of a rule the next one only; and what was over within a week.
SELECT DISTINCT ON (to_at <= now(), COALESCE(-rule_id, id), CASE WHEN to_at <= now() THEN id END)
    id,
    monitor_id,
    from_at,
    to_at,
    title,
    rule_id
FROM report.maintenance
WHERE to_at > now() - INTERVAL '7 days'
ORDER BY
    to_at <= now(),
    COALESCE(-rule_id, id),
    CASE WHEN to_at <= now() THEN id END,
    from_at

-- maintenance_rules --
SELECT
    id,
    monitor_id,
    first_at,
    time_zone,
    duration_s,
    rule,
    title,
    next_at
FROM report.maintenance_rules
ORDER BY
    next_at,
    id

-- maintenance_of --
-- The window of a monitor that lasts, or else the next one within a day.
SELECT
    id,
    monitor_id,
    from_at,
    to_at,
    title,
    rule_id
FROM report.maintenance
WHERE (monitor_id IS NULL OR monitor_id = %(monitor_id)s)
    AND to_at > now()
    AND from_at < now() + INTERVAL '1 day'
ORDER BY
    from_at,
    to_at DESC
LIMIT 1

-- add_maintenance --
SELECT report.add_maintenance(%(monitor_id)s, %(from_at)s, %(duration_s)s, %(title)s)

-- add_maintenance_rule --
SELECT report.add_maintenance_rule(
    %(monitor_id)s, %(first_at)s, %(time_zone)s, %(duration_s)s, %(rule)s, %(title)s)

-- end_maintenance --
SELECT report.end_maintenance(%(id)s) AS became

-- remove_maintenance_rule --
SELECT report.remove_maintenance_rule(%(id)s)
