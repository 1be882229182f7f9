-- One monitor over a span of time.

-- monitor --
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    created_at,
    kind,
    tags
FROM report.monitors
WHERE id = %(monitor_id)s

-- monitor_standings --
SELECT
    latest.location,
    latest.title,
    latest.state,
    latest.slot_at,
    latest.failure,
    latest.http_status,
    latest.total_us,
    latest.cert_expires_at,
    latest.failing_since_at,
    latest.first_slot_at,
    locations.last_seen_at,
    locations.latitude,
    locations.longitude,
    CASE WHEN latest.first_slot_at IS NULL THEN 0
        ELSE report.slots_due(
            latest.monitor_id,
            latest.location,
            GREATEST(%(from_at)s, latest.first_slot_at),
            %(settled_at)s)
    END AS due
FROM report.latest
JOIN report.locations ON locations.name = latest.location
WHERE latest.monitor_id = %(monitor_id)s

-- monitor_stats --
-- One row per location, and one for the locations that are shown together (and for the others).
SELECT
    location,
    location = ANY(%(locations)s) AS is_shown,
    count(*) FILTER (WHERE NOT is_maintained) AS checks,
    count(*) FILTER (WHERE outcome <> 'down' AND NOT is_maintained) AS passed,
    count(*) FILTER (WHERE slot_at < %(settled_at)s) AS settled,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE outcome <> 'down') AS median_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE outcome <> 'down') AS p95_us
FROM report.results
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM report.maintenance
    WHERE (maintenance.monitor_id IS NULL OR maintenance.monitor_id = %(monitor_id)s)
        AND maintenance.from_at < %(to_at)s
        AND maintenance.to_at > %(from_at)s
        AND results.slot_at >= maintenance.from_at
        AND results.slot_at < maintenance.to_at)) AS place (is_maintained)
WHERE monitor_id = %(monitor_id)s
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY GROUPING SETS ((location), (is_shown))

-- series --
-- One row per location and bucket: its median result by total_us, among those that passed.
WITH placed AS (
    SELECT
        results.*,
        date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
        count(*) OVER bucket AS checks,
        count(*) FILTER (WHERE outcome = 'down') OVER bucket AS failed,
        min(slot_at) FILTER (WHERE outcome = 'down') OVER bucket AS failed_slot_at,
        row_number() OVER (bucket ORDER BY outcome = 'down', total_us, slot_at) AS place
    FROM report.results
    WHERE monitor_id = %(monitor_id)s
        AND location = ANY(%(locations)s)
        AND slot_at >= %(from_at)s
        AND slot_at < %(to_at)s
        AND NOT is_extra
    WINDOW bucket AS (PARTITION BY location, date_bin(%(bucket)s, slot_at, 'epoch'))
)
SELECT
    location,
    bucket_at,
    checks,
    failed,
    failed_slot_at,
    slot_at,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    -- Pings and questions are not sent apart.
    COALESCE(send_us, 0) + wait_us AS wait_us,
    receive_us,
    resources_us
FROM placed
WHERE place = GREATEST(1, (checks - failed + 1) / 2)
ORDER BY location, bucket_at

-- heat --
SELECT
    location,
    date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
    count(*) AS checks,
    count(*) FILTER (WHERE outcome = 'down') AS failed,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE outcome <> 'down') AS median_us
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY location, bucket_at

-- bands --
SELECT
    date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
    count(*) AS checks,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) AS p50_us,
    percentile_disc(0.75) WITHIN GROUP (ORDER BY total_us) AS p75_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY total_us) AS p95_us,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY total_us) AS p99_us
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
    AND outcome <> 'down'
    AND NOT suspect
GROUP BY bucket_at
ORDER BY bucket_at

-- bands_1h --
-- The same from hours, for spans whose buckets are no shorter.
SELECT
    bucket_at,
    timed AS checks,
    vantage.percentile(total_histogram, 0.5)::integer AS p50_us,
    vantage.percentile(total_histogram, 0.75)::integer AS p75_us,
    vantage.percentile(total_histogram, 0.95)::integer AS p95_us,
    vantage.percentile(total_histogram, 0.99)::integer AS p99_us
FROM (
    SELECT
        date_bin(%(bucket)s, hours.bucket_at, 'epoch') AS bucket_at,
        sum(hours.timed) AS timed,
        vantage.merge(hours.total_histogram) AS total_histogram
    FROM report.results_1h AS hours
    WHERE hours.monitor_id = %(monitor_id)s
        AND hours.location = ANY(%(locations)s)
        AND hours.bucket_at >= %(from_at)s
        AND hours.bucket_at < %(to_at)s
    GROUP BY 1
) AS merged
ORDER BY bucket_at

-- recent --
SELECT
    slot_at,
    location,
    outcome::text AS outcome,
    failure,
    http_status,
    total_us,
    suspect,
    is_extra
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
ORDER BY slot_at DESC, location
LIMIT %(count)s
