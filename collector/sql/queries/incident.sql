-- Incidents, for operators.

-- list --
SELECT
    incidents.id,
    CASE
        WHEN incidents.closed_at IS NOT NULL THEN 'closed'
        WHEN incidents.recovered_at IS NOT NULL THEN 'recovering'
        ELSE 'open'
    END AS state,
    incidents.monitor_id,
    monitors.name AS monitor,
    accounts.name AS account,
    incidents.severity,
    incidents.began_at,
    incidents.failing_since_at,
    incidents.opened_at,
    incidents.recovered_at,
    incidents.closed_at,
    incidents.reopened,
    incidents.cause,
    incidents.summary,
    incidents.silenced_by,
    incidents.acknowledged_at,
    incidents.acknowledged_by
FROM vantage.incidents
JOIN vantage.monitors ON monitors.id = incidents.monitor_id
JOIN vantage.accounts ON accounts.id = incidents.account_id
WHERE (incidents.closed_at IS NULL OR NOT %(only_open)s)
    AND (%(monitor_id)s::integer IS NULL OR incidents.monitor_id = %(monitor_id)s)
ORDER BY incidents.id DESC
LIMIT %(last)s

-- one --
SELECT
    incidents.id,
    CASE
        WHEN incidents.closed_at IS NOT NULL THEN 'closed'
        WHEN incidents.recovered_at IS NOT NULL THEN 'recovering'
        ELSE 'open'
    END AS state,
    incidents.monitor_id,
    monitors.name AS monitor,
    incidents.severity,
    incidents.began_at,
    incidents.failing_since_at,
    incidents.recovered_at,
    incidents.closed_at,
    incidents.cause,
    incidents.summary,
    incidents.silenced_by,
    incidents.acknowledged_by,
    incidents.post_mortem
FROM vantage.incidents
JOIN vantage.monitors ON monitors.id = incidents.monitor_id
WHERE incidents.id = %(id)s

-- evidence --
SELECT
    location,
    which,
    slot_at,
    total_us,
    http_status,
    failure,
    failed_phase,
    target_ip,
    detail
FROM vantage.incident_evidence
WHERE incident_id = %(id)s
ORDER BY
    location,
    slot_at

-- events --
SELECT
    at,
    kind,
    author,
    detail,
    failing_since_at
FROM vantage.incident_events
WHERE incident_id = %(id)s
ORDER BY id

-- acknowledge --
WITH taken AS (
    UPDATE vantage.incidents
    SET
        acknowledged_at = now(),
        acknowledged_by = %(by)s
    WHERE id = %(id)s
        AND acknowledged_at IS NULL
    RETURNING id
)
INSERT INTO vantage.incident_events (incident_id, kind, author)
SELECT
    id,
    'acknowledged',
    %(by)s
FROM taken
RETURNING incident_id

-- note --
INSERT INTO vantage.incident_events (incident_id, kind, author, detail)
VALUES (%(id)s, 'noted', %(by)s, %(text)s)
