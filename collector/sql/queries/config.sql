-- lock --
SELECT pg_advisory_xact_lock(hashtext('vantage apply'))

-- applied --
SELECT
    key,
    object_id
FROM vantage.applied
WHERE account_id = %(account_id)s
    AND kind = %(kind)s

-- keep --
INSERT INTO vantage.applied (account_id, kind, key, object_id)
VALUES (%(account_id)s, %(kind)s, %(key)s, %(object_id)s)
ON CONFLICT (account_id, kind, key)
DO UPDATE SET
    object_id = excluded.object_id,
    applied_at = now()

-- forget --
DELETE FROM vantage.applied
WHERE account_id = %(account_id)s
    AND kind = %(kind)s
    AND key = %(key)s

-- take_statistics --
SELECT vantage.take_statistics()

-- update_location --
UPDATE vantage.locations
SET
    title = %(title)s,
    region = %(region)s,
    country = %(country)s,
    latitude = %(latitude)s,
    longitude = %(longitude)s,
    asn = %(asn)s
WHERE name = %(name)s

-- windows --
SELECT
    id,
    monitor_id,
    from_at,
    to_at,
    title
FROM vantage.maintenance
WHERE account_id = %(account_id)s
    AND rule_id IS NULL
    AND (to_at > now() OR id IN (
        SELECT object_id FROM vantage.applied
        WHERE applied.account_id = %(account_id)s AND applied.kind = %(kind)s))
    AND (monitor_id IS NULL OR EXISTS (
        SELECT FROM vantage.monitors
        WHERE monitors.id = monitor_id AND monitors.removed_at IS NULL))
ORDER BY id

-- update_window --
UPDATE vantage.maintenance
SET
    monitor_id = %(monitor_id)s,
    from_at = %(from_at)s,
    to_at = %(to_at)s,
    title = %(title)s
WHERE id = %(id)s

-- rules --
SELECT
    id,
    monitor_id,
    first_at,
    time_zone,
    duration_s,
    rule,
    title
FROM vantage.maintenance_rules
WHERE account_id = %(account_id)s
    AND (monitor_id IS NULL OR EXISTS (
        SELECT FROM vantage.monitors
        WHERE monitors.id = monitor_id AND monitors.removed_at IS NULL))
ORDER BY id

-- alert_rules --
SELECT
    id,
    monitor_id,
    needed_locations,
    needed_percent,
    consecutive,
    distinct_by,
    closes_after_s,
    opens_when_degraded,
    slower_factor,
    slower_phase,
    slower_for_s,
    slower_locations
FROM vantage.alert_rules
WHERE account_id = %(account_id)s
    AND (monitor_id IS NULL OR EXISTS (
        SELECT FROM vantage.monitors
        WHERE monitors.id = monitor_id AND monitors.removed_at IS NULL))
ORDER BY id

-- add_alert_rule --
INSERT INTO vantage.alert_rules (
    account_id, monitor_id, needed_locations, needed_percent, consecutive, distinct_by,
    closes_after_s, opens_when_degraded, slower_factor, slower_phase, slower_for_s,
    slower_locations)
VALUES (
    %(account_id)s, %(monitor_id)s, %(needed_locations)s, %(needed_percent)s, %(consecutive)s,
    %(distinct_by)s, %(closes_after_s)s, %(opens_when_degraded)s, %(slower_factor)s,
    %(slower_phase)s, %(slower_for_s)s, %(slower_locations)s)
RETURNING id

-- update_alert_rule --
UPDATE vantage.alert_rules
SET
    monitor_id = %(monitor_id)s,
    needed_locations = %(needed_locations)s,
    needed_percent = %(needed_percent)s,
    consecutive = %(consecutive)s,
    distinct_by = %(distinct_by)s,
    closes_after_s = %(closes_after_s)s,
    opens_when_degraded = %(opens_when_degraded)s,
    slower_factor = %(slower_factor)s,
    slower_phase = %(slower_phase)s,
    slower_for_s = %(slower_for_s)s,
    slower_locations = %(slower_locations)s
WHERE id = %(id)s
RETURNING id

-- remove_alert_rule --
DELETE FROM vantage.alert_rules
WHERE id = %(id)s

-- dependencies --
SELECT
    monitor_dependencies.monitor_id AS id,
    array_agg(monitor_dependencies.parent_id) AS parent_ids
FROM vantage.monitor_dependencies
JOIN vantage.monitors ON monitors.id = monitor_dependencies.monitor_id
JOIN vantage.monitors AS parents ON parents.id = monitor_dependencies.parent_id
WHERE monitors.account_id = %(account_id)s
    AND monitors.removed_at IS NULL
    AND parents.removed_at IS NULL
GROUP BY monitor_dependencies.monitor_id
ORDER BY monitor_dependencies.monitor_id

-- depends_on_itself --
WITH RECURSIVE above (id) AS (
    SELECT unnest(%(parent_ids)s::integer[])
    UNION
    SELECT parent_id
    FROM vantage.monitor_dependencies
    JOIN above ON monitor_dependencies.monitor_id = above.id
)
SELECT id
FROM above
WHERE id = %(id)s

-- add_dependencies --
INSERT INTO vantage.monitor_dependencies (monitor_id, parent_id)
SELECT
    %(id)s,
    unnest(%(parent_ids)s::integer[])

-- remove_dependencies --
DELETE FROM vantage.monitor_dependencies
WHERE monitor_id = %(id)s

-- status_pages --
SELECT
    id,
    slug,
    title,
    ARRAY(
        SELECT monitor_id
        FROM vantage.status_page_monitors
        WHERE page_id = status_pages.id) AS monitor_ids
FROM vantage.status_pages
WHERE account_id = %(account_id)s
ORDER BY id

-- add_status_page --
INSERT INTO vantage.status_pages (account_id, slug, title)
VALUES (%(account_id)s, %(slug)s, %(title)s)
RETURNING id

-- update_status_page --
UPDATE vantage.status_pages
SET
    slug = %(slug)s,
    title = %(title)s
WHERE id = %(id)s
RETURNING id

-- show_monitors --
WITH hidden AS (
    DELETE FROM vantage.status_page_monitors
    WHERE page_id = %(id)s
        AND monitor_id <> ALL(%(monitor_ids)s::integer[])
)
INSERT INTO vantage.status_page_monitors (page_id, monitor_id)
SELECT
    %(id)s,
    unnest(%(monitor_ids)s::integer[])
ON CONFLICT DO NOTHING

-- remove_status_page --
DELETE FROM vantage.status_pages
WHERE id = %(id)s

-- channels --
SELECT
    id,
    name,
    kind,
    hint,
    key_id,
    sealed,
    least_severity,
    monitor_ids,
    delay_s,
    remind_s,
    spacing_s,
    quiet_from,
    quiet_to,
    time_zone,
    muted_at IS NOT NULL AS is_muted,
    own_subject,
    own_text
FROM vantage.channels
WHERE account_id = %(account_id)s
ORDER BY id

-- update_channel --
-- The sealed address NULL: it is told where it was.
UPDATE vantage.channels
SET
    name = %(name)s,
    kind = COALESCE(%(kind)s, kind),
    hint = COALESCE(%(hint)s, hint),
    key_id = COALESCE(%(key_id)s, key_id),
    sealed = COALESCE(%(sealed)s, sealed),
    last_error = CASE WHEN %(sealed)s::bytea IS NULL THEN last_error END,
    failing_since_at = CASE WHEN %(sealed)s::bytea IS NULL THEN failing_since_at END,
    least_severity = %(least_severity)s,
    monitor_ids = %(monitor_ids)s,
    delay_s = %(delay_s)s,
    remind_s = %(remind_s)s,
    spacing_s = %(spacing_s)s,
    quiet_from = %(quiet_from)s,
    quiet_to = %(quiet_to)s,
    time_zone = %(time_zone)s
WHERE id = %(id)s
RETURNING id

-- mute_channel --
UPDATE vantage.channels
SET muted_at = CASE WHEN %(is_muted)s THEN COALESCE(muted_at, now()) END
WHERE id = %(id)s

-- record --
INSERT INTO vantage.audit_log (account_id, actor, action, detail)
VALUES (%(account_id)s, 'vantage apply', 'configuration_applied', %(detail)s)
