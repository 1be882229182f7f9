-- What bench/storing.py loads and asks.

-- size --
SELECT
    table_bytes AS heap,
    index_bytes AS indexes,
    total_bytes AS total
FROM hypertable_detailed_size(%(relation)s)

-- chunks_over --
-- Not in columns yet, and nothing comes any more but what is late.
SELECT format('%%I.%%I', chunk_schema, chunk_name) AS chunk
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'vantage' AND hypertable_name = %(relation)s AND NOT is_compressed
    AND range_end <= now()

-- newest_chunk --
SELECT format('%%I.%%I', chunk_schema, chunk_name) AS chunk
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'vantage' AND hypertable_name = %(relation)s
ORDER BY range_end DESC
LIMIT 1

-- hour_again --
-- As if the hour had not been summed up yet; how many results it has.
WITH medians AS (
    DELETE FROM vantage.medians
    WHERE bucket_at >= %(hour_at)s
),
totals AS (
    DELETE FROM vantage.totals_1h
    WHERE bucket_at >= %(hour_at)s
),
monitors AS (
    DELETE FROM vantage.monitors_1h
    WHERE bucket_at >= %(hour_at)s
),
progress AS (
    UPDATE vantage.rollup_progress SET
        medians_to_at = %(hour_at)s,
        medians_monitor_id = 0,
        hours_to_at = %(hour_at)s,
        hours_monitor_id = 0
)
SELECT sum(run)::bigint
FROM vantage.rollups_1h
WHERE bucket_at = %(hour_at)s

-- sum_up_medians --
SELECT vantage.sum_up_medians()
WHERE (SELECT medians_to_at FROM vantage.rollup_progress) < %(to_at)s

-- sum_up_hour --
SELECT vantage.sum_up_hour()
WHERE (SELECT hours_to_at FROM vantage.rollup_progress) < %(to_at)s

-- ask overview_30d --
WITH pairs AS (
    SELECT
        monitor_id,
        location,
        sum(run) AS checks,
        sum(run - down) AS passed,
        vantage.merge(total_histogram) AS histogram
    FROM report.results_1d
    WHERE bucket_at >= %(to_at)s - INTERVAL '30 days' AND bucket_at < %(to_at)s
    GROUP BY
        monitor_id,
        location
)
SELECT
    monitor_id,
    location,
    checks,
    passed,
    vantage.percentile(histogram, 0.95) AS p95_us
FROM pairs
UNION ALL
SELECT
    monitor_id,
    NULL,
    sum(checks)::bigint,
    sum(passed)::bigint,
    vantage.percentile(vantage.merge(histogram), 0.95) AS p95_us
FROM pairs
GROUP BY monitor_id

-- ask phases_24h_5min --
SELECT
    date_bin('5 minutes', slot_at, 'epoch') AS bucket_at,
    location,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY wait_us) AS p50_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY wait_us) AS p95_us
FROM report.results
WHERE monitor_id = 7 AND slot_at >= %(to_at)s - INTERVAL '24 hours' AND slot_at < %(to_at)s
GROUP BY 1, 2

-- ask phases_30d --
SELECT
    location,
    vantage.percentile(vantage.merge(dns_histogram), 0.95) AS dns_us,
    vantage.percentile(vantage.merge(connect_histogram), 0.95) AS connect_us,
    vantage.percentile(vantage.merge(tls_histogram), 0.95) AS tls_us,
    vantage.percentile(vantage.merge(wait_histogram), 0.95) AS wait_us,
    vantage.percentile(vantage.merge(receive_histogram), 0.95) AS receive_us
FROM report.results_1d
WHERE monitor_id = 7 AND bucket_at >= %(to_at)s - INTERVAL '30 days' AND bucket_at < %(to_at)s
GROUP BY location

-- ask availability_month --
SELECT * FROM report.availability(%(to_at)s - INTERVAL '30 days', %(to_at)s)

-- ask year_of_days --
SELECT
    location,
    date_bin('7 days', bucket_at, 'epoch') AS week_at,
    vantage.percentile(vantage.merge(total_histogram), 0.95) AS p95_us
FROM report.results_1d
WHERE monitor_id = 7 AND bucket_at >= %(to_at)s - INTERVAL '365 days' AND bucket_at < %(to_at)s
GROUP BY 1, 2
