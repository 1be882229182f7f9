-- One result and its neighbours.

-- result --
SELECT
    slot_at,
    started_at,
    received_at,
    location,
    outcome::text AS outcome,
    failure,
    detail,
    failed_phase,
    http_status,
    http_version,
    header_bytes,
    body_bytes,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    send_us,
    wait_us,
    receive_us,
    resources_us,
    delay_us,
    lag_us,
    rtt_us,
    redirects,
    suspect,
    url,
    host(target_ip) AS target_ip,
    target_port,
    host(local_ip) AS local_ip,
    cert_expires_at,
    agent_id::text AS agent_id,
    pings_sent,
    pings_received,
    ping_min_us,
    ping_max_us,
    answer,
    (SELECT agents.name FROM report.agents WHERE agents.id = results.agent_id) AS agent_name,
    report.slot_before(monitor_id, location, slot_at) AS previous_at,
    report.slot_after(monitor_id, location, slot_at) AS next_at
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = %(location)s
    AND slot_at = %(slot_at)s
ORDER BY received_at
LIMIT 1

-- requests --
-- All of a result, in the order in which they began, its pair's other run behind them: the last one tells what became of it.
SELECT
    role,
    hop,
    resource,
    url,
    outcome,
    failure,
    detail,
    http_status,
    http_version,
    header_bytes,
    body_bytes,
    target_ip,
    target_port,
    start_us,
    total_us,
    dns_us,
    connect_us,
    tls_us,
    send_us,
    wait_us,
    receive_us
FROM (
    SELECT
        role::text AS role,
        hop,
        resource,
        url,
        outcome::text AS outcome,
        failure,
        detail,
        http_status,
        http_version,
        header_bytes,
        body_bytes,
        host(target_ip) AS target_ip,
        target_port,
        CASE role WHEN 'hop'
            THEN sum(total_us) OVER (PARTITION BY role ORDER BY hop) - total_us
            ELSE start_us END AS start_us,
        total_us,
        dns_us,
        connect_us,
        tls_us,
        send_us,
        wait_us,
        receive_us
    FROM report.exchanges
    WHERE monitor_id = %(monitor_id)s
        AND location = %(location)s
        AND slot_at = %(slot_at)s
    UNION ALL
    SELECT
        'last',
        results.redirects + 1,
        NULL,
        COALESCE(results.url, monitors.url),
        results.outcome::text,
        results.failure,
        results.detail,
        results.http_status,
        results.http_version,
        results.header_bytes,
        results.body_bytes,
        host(results.target_ip),
        results.target_port,
        results.redirect_us,
        results.total_us - results.redirect_us - COALESCE(results.resources_us, 0),
        results.dns_us,
        results.connect_us,
        results.tls_us,
        results.send_us,
        results.wait_us,
        results.receive_us
    FROM report.results
    JOIN report.monitors ON monitors.id = results.monitor_id
    WHERE results.monitor_id = %(monitor_id)s
        AND results.location = %(location)s
        AND results.slot_at = %(slot_at)s
) AS every
ORDER BY
    role = 'pair',
    start_us,
    hop

-- same_slot --
-- Slots of one round lie less than an interval apart, so the nearest one is the same round's.
SELECT DISTINCT ON (locations.title, results.location)
    results.location,
    locations.title,
    results.slot_at,
    results.outcome::text AS outcome,
    results.failure,
    results.http_status,
    results.total_us
FROM report.results
JOIN report.locations ON locations.name = results.location
WHERE results.monitor_id = %(monitor_id)s
    AND results.location <> %(location)s
    AND results.slot_at > %(slot_at)s - make_interval(secs => %(interval_s)s)
    AND results.slot_at < %(slot_at)s + make_interval(secs => %(interval_s)s)
ORDER BY
    locations.title,
    results.location,
    abs(extract(epoch FROM results.slot_at - %(slot_at)s))

-- place --
SELECT
    name,
    title,
    last_seen_at,
    latitude,
    longitude
FROM report.locations
WHERE name = %(location)s
