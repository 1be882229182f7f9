-- Verdicts, incidents, and the rules they follow.

-- verdict --
SELECT
    verdicts.state,
    verdicts.voting,
    verdicts.needed,
    verdicts.failing,
    verdicts.slower,
    verdicts.failing_since_at,
    rules.consecutive,
    rules.distinct_by,
    incidents.id AS incident_id,
    incidents.began_at,
    incidents.assigned
FROM report.verdicts
JOIN report.monitor_rules AS rules ON rules.monitor_id = verdicts.monitor_id
LEFT JOIN report.incidents ON incidents.monitor_id = verdicts.monitor_id
    AND incidents.closed_at IS NULL
WHERE verdicts.monitor_id = %(monitor_id)s

-- incidents --
-- Open ones first; of the others the newest, after the one that a page ended with.
SELECT
    id,
    monitor_id,
    monitor,
    severity,
    state,
    began_at,
    failing_since_at,
    opened_at,
    recovered_at,
    closed_at,
    reopened,
    cause,
    summary,
    silenced_by,
    acknowledged_at,
    acknowledged_by,
    post_mortem,
    locations,
    assigned
FROM report.incidents
WHERE (%(id)s::bigint IS NULL OR id = %(id)s)
    AND (%(monitor_id)s::integer IS NULL OR monitor_id = %(monitor_id)s)
    AND (
        %(is_open)s::boolean IS NULL
        OR (closed_at IS NULL) = %(is_open)s
    )
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(count)s

-- evidence --
SELECT
    evidence.location,
    COALESCE(locations.title, evidence.location) AS title,
    evidence.which,
    evidence.slot_at,
    evidence.total_us,
    evidence.http_status,
    evidence.failure,
    evidence.failed_phase,
    evidence.target_ip,
    evidence.detail
FROM report.incident_evidence AS evidence
LEFT JOIN report.locations ON locations.name = evidence.location
WHERE evidence.incident_id = %(id)s

-- incident_events --
SELECT
    at,
    kind,
    author,
    detail,
    failing_since_at
FROM report.incident_events
WHERE incident_id = %(id)s
ORDER BY id

-- acknowledge_incident --
SELECT report.acknowledge_incident(%(id)s)

-- note_incident --
SELECT report.note_incident(%(id)s, %(text)s)

-- write_post_mortem --
SELECT report.write_post_mortem(%(id)s, %(text)s)

-- rule --
SELECT
    monitor_id,
    source,
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
FROM report.monitor_rules
WHERE monitor_id = %(monitor_id)s

-- account_rule --
SELECT
    NULL::integer AS monitor_id,
    source,
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
FROM report.account_rule

-- own_rules --
SELECT
    monitors.id,
    monitors.name
FROM report.monitor_rules AS rules
JOIN report.monitors ON monitors.id = rules.monitor_id
WHERE rules.source = 'monitor'
ORDER BY lower(monitors.name)

-- save_rule --
SELECT report.save_alert_rule(
    %(monitor_id)s, %(needed_locations)s, %(needed_percent)s, %(consecutive)s, %(distinct_by)s,
    %(closes_after_s)s, %(opens_when_degraded)s, %(slower_factor)s, %(slower_phase)s,
    %(slower_for_s)s, %(slower_locations)s)

-- remove_rule --
SELECT report.remove_alert_rule(%(monitor_id)s)

-- parents --
SELECT parent_id AS id
FROM report.monitor_dependencies
WHERE monitor_id = %(monitor_id)s

-- set_dependencies --
SELECT report.set_dependencies(%(monitor_id)s, %(parents)s)
