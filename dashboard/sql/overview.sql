-- Every monitor of the account at a glance.

-- monitors --
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    created_at
FROM report.monitors
ORDER BY lower(name), id

-- standings --
SELECT
    monitor_id,
    location,
    title,
    state,
    slot_at,
    failure,
    http_status,
    total_us
FROM report.latest

-- histories --
SELECT
    monitor_id,
    location,
    first_slot_at,
    failing_since_at
FROM report.latest
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND slot_at IS NOT NULL

-- day_stats --
SELECT
    monitor_id,
    location,
    count(*) AS checks,
    count(*) FILTER (WHERE outcome <> 'down') AS passed,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE outcome <> 'down') AS median_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE outcome <> 'down') AS p95_us
FROM report.results
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY GROUPING SETS ((monitor_id, location), (monitor_id))

-- day_strip --
SELECT
    monitor_id,
    date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
    count(*) AS checks,
    count(*) FILTER (WHERE outcome = 'down') AS failed,
    count(*) FILTER (WHERE outcome = 'degraded') AS slow
FROM report.results
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY monitor_id, bucket_at

-- places --
SELECT
    name,
    title,
    last_seen_at
FROM report.locations
ORDER BY title
