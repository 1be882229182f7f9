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
    method,
    tags
FROM report.monitors
ORDER BY id

-- own_monitors --
SELECT COALESCE(array_agg(id), '{}') AS ids
FROM report.monitors

-- watched --
-- Of every monitor no more than what the order, the filter and the first sentence take.
SELECT
    monitors.id,
    monitors.name,
    monitors.url,
    monitors.tags,
    monitors.paused_at IS NOT NULL AS is_paused,
    states.up,
    states.slow,
    states.down,
    states.missing,
    states.waiting,
    verdicts.state AS verdict,
    COALESCE(cardinality(verdicts.slower), 0) AS slower
FROM report.monitors
JOIN report.monitor_states AS states ON states.monitor_id = monitors.id
LEFT JOIN report.verdicts ON verdicts.monitor_id = monitors.id
ORDER BY monitors.id

-- standings --
SELECT
    monitor_id,
    location,
    title,
    state,
    slot_at,
    failure,
    http_status,
    first_slot_at,
    failing_since_at,
    has_trouble
FROM report.latest
WHERE monitor_id = ANY(%(monitor_ids)s)

-- day --
-- One row for each monitor, since a row for each location and hour takes longer to read than to make.
SELECT
    monitor_id,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us,
    vantage.percentile(vantage.merge(total_histogram), 0.95)::integer AS p95_us,
    COALESCE(array_agg(location) FILTER (WHERE bucket_at IS NULL), '{}') AS locations,
    COALESCE(
        array_agg(vantage.percentile(total_histogram, 0.5)::integer) FILTER (WHERE bucket_at IS NULL),
        '{}') AS medians_us,
    array_agg((date_part('epoch', bucket_at - %(from_at)s) / 3600)::integer)
        FILTER (WHERE bucket_at IS NOT NULL) AS places,
    array_agg(run::integer) FILTER (WHERE bucket_at IS NOT NULL) AS checks,
    array_agg(down::integer) FILTER (WHERE bucket_at IS NOT NULL) AS failed,
    array_agg(degraded::integer) FILTER (WHERE bucket_at IS NOT NULL) AS slow
FROM report.summed_since(%(monitor_ids)s, %(from_at)s)
GROUP BY monitor_id

-- outages --
SELECT
    monitor_id,
    began_at,
    recovered_at
FROM report.incidents
WHERE monitor_id = ANY(%(monitor_ids)s)
    AND severity = 'down'
    AND began_at < %(to_at)s
    AND (recovered_at IS NULL OR recovered_at >= %(from_at)s)

-- places --
SELECT
    name,
    title,
    last_seen_at,
    latitude,
    longitude
FROM report.locations
ORDER BY title
