-- Every monitor of the account at a glance.

-- monitors --
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
ORDER BY lower(name), id

-- states --
-- Of every monitor no more than what the order and the first sentence take.
SELECT
    monitor_id,
    array_agg(state) AS states
FROM report.latest
GROUP BY monitor_id

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
WHERE monitor_id = ANY(%(monitor_ids)s)

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
    sum(run) AS checks,
    sum(run - down) AS passed,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us,
    vantage.percentile(vantage.merge(total_histogram), 0.95)::integer AS p95_us
FROM report.results_1h
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND bucket_at >= %(from_at)s
    AND bucket_at < %(to_at)s
GROUP BY GROUPING SETS ((monitor_id, location), (monitor_id))

-- day_strip --
SELECT
    monitor_id,
    bucket_at,
    sum(run) AS checks,
    sum(down) AS failed,
    sum(degraded) AS slow
FROM report.results_1h
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND bucket_at >= %(from_at)s
    AND bucket_at < %(to_at)s
GROUP BY monitor_id, bucket_at

-- places --
SELECT
    name,
    title,
    last_seen_at,
    latitude,
    longitude
FROM report.locations
ORDER BY title
