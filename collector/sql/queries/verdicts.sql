-- What one collector at a time does for the whole database: verdicts and incidents.

-- lead --
SELECT pg_try_advisory_lock(hashtext('vantage.verdicts')) AS is_leader

-- give_up_when_frozen --
-- A leader that stands still for so long loses its connection, and with it the lock.
SET idle_session_timeout = '6s'

-- watched --
SELECT
    monitors.id,
    monitors.account_id,
    monitors.url,
    monitors.interval_s,
    monitors.timeout_us,
    rules.needed_locations,
    rules.needed_percent,
    rules.consecutive,
    rules.distinct_by,
    rules.closes_after_s,
    rules.opens_when_degraded,
    rules.slower_factor,
    rules.slower_for_s,
    rules.slower_locations,
    places.locations,
    COALESCE(above.parents, '{}') AS parents,
    EXISTS (
        SELECT
        FROM vantage.maintenance
        WHERE maintenance.account_id = monitors.account_id
            AND (maintenance.monitor_id IS NULL OR maintenance.monitor_id = monitors.id)
            AND maintenance.from_at <= now()
            AND maintenance.to_at > now()
    ) AS is_in_maintenance
FROM vantage.monitors
JOIN vantage.monitor_rules AS rules ON rules.monitor_id = monitors.id
JOIN (
    SELECT
        monitor_id,
        array_agg(location ORDER BY location) AS locations
    FROM vantage.monitor_locations
    GROUP BY monitor_id
) AS places ON places.monitor_id = monitors.id
LEFT JOIN (
    SELECT
        monitor_id,
        array_agg(parent_id ORDER BY parent_id) AS parents
    FROM vantage.monitor_dependencies
    GROUP BY monitor_id
) AS above ON above.monitor_id = monitors.id
WHERE monitors.removed_at IS NULL
    AND monitors.paused_at IS NULL

-- places --
-- A location is silent when it had agents that took part and none of them answers.
SELECT
    locations.name,
    locations.title,
    locations.country,
    locations.asn,
    COALESCE(bool_and(agents.takes_until IS NOT NULL)
        FILTER (WHERE agents.takes_from IS NOT NULL AND agents.revoked_at IS NULL), false)
        AS is_silent,
    count(*) FILTER (WHERE agents.takes_from IS NOT NULL AND agents.revoked_at IS NULL) > 0
        AS has_agents
FROM vantage.locations
LEFT JOIN vantage.agents ON agents.location = locations.name
GROUP BY locations.name

-- unwell_agents --
SELECT id
FROM vantage.agents
WHERE is_clock_off

-- forget_arrivals --
DELETE FROM vantage.arrivals

-- arrivals --
-- Some 2,000 results at a time, however many come at once: they are in memory as long as the loop
-- hears them, and nothing else is done meanwhile.
WITH oldest AS (
    SELECT
        id,
        sum(cardinality(monitor_ids)) OVER (ORDER BY id) - cardinality(monitor_ids) AS before
    FROM (
        SELECT
            id,
            monitor_ids
        FROM vantage.arrivals
        ORDER BY id
        LIMIT 200
    ) AS next
)
DELETE FROM vantage.arrivals
USING oldest
WHERE arrivals.id = oldest.id
    AND oldest.before < 2000
RETURNING
    arrivals.id,
    (extract(epoch FROM arrivals.received_at) * 1000000)::bigint AS received_at_us,
    arrivals.agent_id,
    arrivals.location,
    arrivals.monitor_ids,
    arrivals.slots_at_us,
    arrivals.outcomes

-- votes --
-- As many of each location's newest votes as any rule may ask for.
SELECT
    pairs.monitor_id,
    pairs.location,
    array_agg((extract(epoch FROM votes.slot_at) * 1000000)::bigint ORDER BY votes.slot_at)
        AS slots_at_us,
    array_agg(votes.outcome::text ORDER BY votes.slot_at) AS outcomes
FROM vantage.monitor_locations AS pairs
JOIN vantage.monitors ON monitors.id = pairs.monitor_id
CROSS JOIN LATERAL (
    SELECT
        results.slot_at,
        results.outcome
    FROM vantage.results
    WHERE results.monitor_id = pairs.monitor_id
        AND results.location = pairs.location
        AND results.slot_at > now() - make_interval(secs => 12 * monitors.interval_s + 90)
        AND results.received_at - results.slot_at
            <= make_interval(secs => monitors.timeout_us / 1e6 + 30)
        AND NOT results.suspect
    ORDER BY results.slot_at DESC
    LIMIT 10
) AS votes
WHERE monitors.removed_at IS NULL
    AND monitors.paused_at IS NULL
GROUP BY
    pairs.monitor_id,
    pairs.location

-- slower --
-- The median of a while, against what is usual in every hour that it touches. What was as slow at
-- this time yesterday is no news; two results say little. What has been slower stays so until it is
-- half way back.
SELECT
    rules.monitor_id,
    places.location,
    rules.slower_phase AS phase,
    recent.level_us,
    usual.usual_us
FROM vantage.monitor_rules AS rules
JOIN vantage.monitors ON monitors.id = rules.monitor_id
JOIN vantage.monitor_locations AS places ON places.monitor_id = rules.monitor_id
LEFT JOIN vantage.verdicts ON verdicts.monitor_id = rules.monitor_id
CROSS JOIN LATERAL (
    SELECT LEAST(GREATEST(rules.slower_for_s, 5 * monitors.interval_s), 3600) AS length_s
) AS span
CROSS JOIN LATERAL (
    SELECT
        GREATEST(max(baselines.usual_us), max(baselines.day_before_us)) AS usual_us,
        max(baselines.spread_us) AS spread_us
    FROM vantage.baselines
    WHERE baselines.monitor_id = rules.monitor_id
        AND baselines.location = places.location
        AND baselines.phase = rules.slower_phase
        AND baselines.hour_at > now() - make_interval(hours => 1, secs => span.length_s)
        AND baselines.hour_at <= now()
    HAVING bool_and(baselines.usual_us IS NOT NULL)
) AS usual
CROSS JOIN LATERAL (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY phase.us) AS level_us
    FROM vantage.results
    CROSS JOIN LATERAL (
        SELECT CASE rules.slower_phase
            WHEN 'total' THEN results.total_us
            WHEN 'dns' THEN results.dns_us
            WHEN 'connect' THEN results.connect_us
            WHEN 'tls' THEN results.tls_us
            WHEN 'send' THEN results.send_us
            WHEN 'wait' THEN results.wait_us
            WHEN 'receive' THEN results.receive_us
        END AS us
    ) AS phase
    WHERE results.monitor_id = rules.monitor_id
        AND results.location = places.location
        AND results.slot_at > now() - make_interval(secs => span.length_s)
        AND results.outcome <> 'down'
        AND NOT results.suspect
    HAVING count(phase.us) >= 3
) AS recent
WHERE rules.slower_factor IS NOT NULL
    AND monitors.paused_at IS NULL
    AND vantage.is_slower(
        recent.level_us,
        usual.usual_us,
        usual.spread_us,
        CASE
            WHEN places.location = ANY(verdicts.slower) THEN (1 + rules.slower_factor) / 2
            ELSE rules.slower_factor
        END)

-- verdicts --
SELECT
    monitor_id,
    state,
    voting,
    needed,
    failing,
    slow,
    slower,
    (extract(epoch FROM failing_since_at) * 1000000)::bigint AS failing_since_us
FROM vantage.verdicts

-- incidents --
-- Those that are open, and those that may be reopened.
SELECT DISTINCT ON (incidents.monitor_id)
    incidents.id,
    incidents.monitor_id,
    incidents.severity,
    (extract(epoch FROM incidents.began_at) * 1000000)::bigint AS began_at_us,
    (extract(epoch FROM incidents.opened_at) * 1000000)::bigint AS opened_at_us,
    (extract(epoch FROM incidents.recovered_at) * 1000000)::bigint AS recovered_at_us,
    (extract(epoch FROM incidents.closed_at) * 1000000)::bigint AS closed_at_us,
    incidents.reopened,
    silencers.monitor_id AS silenced_by,
    ARRAY(
        SELECT location
        FROM vantage.incident_evidence
        WHERE incident_evidence.incident_id = incidents.id
            AND incident_evidence.which = 'first'
    ) AS locations
FROM vantage.incidents
LEFT JOIN vantage.incidents AS silencers ON silencers.id = incidents.silenced_by
WHERE incidents.closed_at IS NULL
    OR incidents.closed_at > now() - INTERVAL '15 minutes'
ORDER BY
    incidents.monitor_id,
    incidents.closed_at DESC NULLS FIRST

-- troubled --
SELECT
    location,
    kind
FROM vantage.location_troubles
WHERE ended_at IS NULL

-- store_verdict --
INSERT INTO vantage.verdicts AS known (
    monitor_id, state, since_at, judged_at, voting, needed, failing, slow, slower,
    failing_since_at)
SELECT
    monitors.id,
    %(state)s,
    %(at)s,
    %(at)s,
    %(voting)s,
    %(needed)s,
    %(failing)s,
    %(slow)s,
    %(slower)s,
    %(failing_since_at)s
FROM vantage.monitors
WHERE monitors.id = %(monitor_id)s
ON CONFLICT (monitor_id) DO UPDATE
SET
    state = EXCLUDED.state,
    since_at = CASE
        WHEN known.state = EXCLUDED.state THEN known.since_at
        ELSE EXCLUDED.since_at
    END,
    judged_at = EXCLUDED.judged_at,
    voting = EXCLUDED.voting,
    needed = EXCLUDED.needed,
    failing = EXCLUDED.failing,
    slow = EXCLUDED.slow,
    slower = EXCLUDED.slower,
    failing_since_at = EXCLUDED.failing_since_at

-- drop_verdict --
DELETE FROM vantage.verdicts
WHERE monitor_id = %(monitor_id)s

-- open_incident --
INSERT INTO vantage.incidents (
    account_id, monitor_id, severity, began_at, opened_at, cause, summary)
SELECT
    monitors.account_id,
    monitors.id,
    %(severity)s,
    %(began_at)s,
    %(opened_at)s,
    'other',
    ''
FROM vantage.monitors
WHERE monitors.id = %(monitor_id)s
RETURNING id

-- store_incident --
UPDATE vantage.incidents
SET
    severity = %(severity)s,
    recovered_at = %(recovered_at)s,
    closed_at = %(closed_at)s,
    reopened = %(reopened)s,
    silenced_by = %(silenced_by)s,
    assigned = GREATEST(assigned, %(assigned)s),
    cause = COALESCE(%(cause)s, cause),
    summary = COALESCE(%(summary)s, summary),
    failing_since_at = COALESCE(%(failing_since_at)s, failing_since_at)
WHERE id = %(id)s

-- add_evidence --
-- The first stays what it was.
INSERT INTO vantage.incident_evidence (
    incident_id, location, which, slot_at, total_us, http_status, failure, failed_phase, target_ip,
    detail)
SELECT
    %(id)s,
    results.location,
    %(which)s,
    results.slot_at,
    results.total_us,
    results.http_status,
    results.failure,
    CASE
        WHEN results.outcome <> 'down' THEN NULL
        WHEN results.receive_us IS NOT NULL THEN 'receive'
        WHEN results.wait_us IS NOT NULL THEN 'wait'
        WHEN results.send_us IS NOT NULL THEN 'send'
        WHEN results.tls_us IS NOT NULL THEN 'tls'
        WHEN results.connect_us IS NOT NULL THEN 'connect'
        WHEN results.dns_us IS NOT NULL THEN 'dns'
    END,
    results.target_ip,
    results.detail
FROM vantage.results
WHERE results.monitor_id = %(monitor_id)s
    AND results.location = %(location)s
    AND results.slot_at = %(slot_at)s
ORDER BY results.is_extra
LIMIT 1
ON CONFLICT (incident_id, location, which) DO UPDATE
SET
    slot_at = EXCLUDED.slot_at,
    total_us = EXCLUDED.total_us,
    http_status = EXCLUDED.http_status,
    failure = EXCLUDED.failure,
    failed_phase = EXCLUDED.failed_phase,
    target_ip = EXCLUDED.target_ip,
    detail = EXCLUDED.detail
WHERE EXCLUDED.which <> 'first'

-- drop_well --
-- It fails again.
DELETE FROM vantage.incident_evidence
WHERE incident_id = %(id)s
    AND location = %(location)s
    AND which = 'well'

-- causes --
-- What each location saw last.
SELECT
    location,
    failure,
    http_status
FROM vantage.incident_evidence
WHERE incident_id = %(id)s
    AND which = 'last'

-- was_well --
SELECT EXISTS (
    SELECT
    FROM vantage.incident_events
    WHERE incident_id = %(id)s
        AND kind IN ('relapsed', 'reopened')
) AS was_well

-- add_event --
INSERT INTO vantage.incident_events (incident_id, at, kind, detail, failing_since_at)
VALUES (%(id)s, %(at)s, %(kind)s, %(detail)s, %(failing_since_at)s)

-- begin_trouble --
INSERT INTO vantage.location_troubles (location, kind, began_at, detail)
SELECT
    locations.name,
    %(kind)s,
    %(at)s,
    %(detail)s
FROM vantage.locations
WHERE locations.name = %(location)s
ON CONFLICT (location, kind) WHERE ended_at IS NULL DO NOTHING

-- end_trouble --
UPDATE vantage.location_troubles
SET ended_at = %(at)s
WHERE location = %(location)s
    AND kind = %(kind)s
    AND ended_at IS NULL

-- ask --
SELECT pg_notify('vantage_run_now', %(payload)s)
