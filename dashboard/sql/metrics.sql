-- metrics --
-- How every monitor stands at each location, with the phases of its newest result.
SELECT
    monitors.id AS monitor_id,
    monitors.name,
    monitors.url,
    latest.location,
    latest.state,
    latest.slot_at,
    latest.total_us,
    latest.cert_expires_at,
    results.dns_us,
    results.connect_us,
    results.tls_us,
    results.send_us,
    results.wait_us,
    results.receive_us,
    results.resources_us
FROM report.latest
JOIN report.monitors ON monitors.id = latest.monitor_id
LEFT JOIN report.results ON results.monitor_id = latest.monitor_id
    AND results.location = latest.location
    AND results.slot_at = latest.slot_at
ORDER BY
    monitors.id,
    latest.location

-- metrics_verdicts --
SELECT
    monitors.id AS monitor_id,
    monitors.name,
    monitors.url,
    verdicts.state
FROM report.verdicts
JOIN report.monitors ON monitors.id = verdicts.monitor_id
WHERE monitors.paused_at IS NULL
ORDER BY monitors.id

-- outbox --
SELECT
    waiting,
    oldest_at
FROM report.outbox
