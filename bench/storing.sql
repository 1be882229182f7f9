-- What bench/storing.py loads and asks.

-- world --
INSERT INTO vantage.accounts (name) VALUES ('Bench');
INSERT INTO vantage.locations (name, title)
SELECT 'l' || n, 'Location ' || n FROM generate_series(1, %(locations)s) AS n;
INSERT INTO vantage.monitors (account_id, name, url, interval_s, created_at)
SELECT 1, 'Monitor ' || n, 'https://' || n || '.example/', 60, %(since)s
FROM generate_series(1, %(monitors)s) AS n;
INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT monitors.id, locations.name FROM vantage.monitors, vantage.locations;
DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL;
UPDATE vantage.monitor_definitions SET valid_from_at = %(since)s;

-- progress --
UPDATE vantage.rollup_progress SET
    days_to_at = %(days_to_at)s,
    medians_from_at = %(medians_at)s,
    medians_to_at = %(medians_at)s;

-- standings --
INSERT INTO vantage.standings (
    slot_at, first_slot_at, cert_expires_at, monitor_id, total_us, outcome, http_status, location, failure)
SELECT newest.slot_at, newest.slot_at - INTERVAL '1 day', newest.cert_expires_at, pairs.monitor_id,
    newest.total_us, newest.outcome, newest.http_status, pairs.location, newest.failure
FROM vantage.monitor_locations AS pairs
CROSS JOIN LATERAL (
    SELECT * FROM vantage.results
    WHERE results.monitor_id = pairs.monitor_id AND results.location = pairs.location
    ORDER BY results.slot_at DESC
    LIMIT 1
) AS newest;

-- medians --
SELECT vantage.sum_up_medians()

-- hour --
-- An hour of results, one a minute and pair, in the order in which they would come.
INSERT INTO vantage.results (
    slot_at, started_at, received_at, cert_expires_at, body_bytes, monitor_id, total_us, redirect_us,
    dns_us, connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, rtt_us, header_bytes,
    target_port, outcome, agent_id, http_status, redirects, suspect, location, failure, detail,
    http_version, target_ip, local_ip)
SELECT
    slot_at,
    slot_at + INTERVAL '1 ms',
    slot_at + INTERVAL '1 s',
    '2027-06-01',
    18000,
    monitor_id,
    dns_us + connect_us + tls_us + 120 + wait_us + receive_us,
    0,
    dns_us,
    connect_us,
    tls_us,
    120,
    wait_us,
    receive_us,
    900,
    150,
    connect_us,
    310,
    443,
    CASE WHEN is_down THEN 'down' ELSE 'up' END::vantage.outcome,
    md5(location)::uuid,
    CASE WHEN is_down THEN 503 ELSE 200 END,
    0,
    false,
    location,
    CASE WHEN is_down THEN 'http_status' END,
    CASE WHEN is_down THEN '503 Service Unavailable' END,
    '2',
    '203.0.113.24',
    '198.51.100.7'
FROM (
    SELECT
        %(begin)s::timestamptz + make_interval(secs => m * 60 + n %% 60) AS slot_at,
        n AS monitor_id,
        'l' || l AS location,
        (2000 + 9000 * random() * random())::integer AS dns_us,
        (3000 + 7000 * l + 900 * random())::integer AS connect_us,
        (9000 + 8000 * l + 4000 * random())::integer AS tls_us,
        (20000 + 7000 * l + 90000 * random() * random() * random())::integer AS wait_us,
        (3000 + 9000 * random())::integer AS receive_us,
        random() < 0.001 AS is_down
    FROM generate_series(0, 59) AS m
    CROSS JOIN generate_series(1, %(monitors)s) AS n
    CROSS JOIN generate_series(1, %(locations)s) AS l
) AS drawn
ORDER BY slot_at

-- before --
-- Days before the measured ones: the first of these again, shifted. {rollup}, {columns} and {shifted}
-- stand for names.
INSERT INTO {rollup} ({columns})
SELECT {shifted}
FROM {rollup}
CROSS JOIN generate_series(1, %(days)s) AS n
WHERE bucket_at >= %(first_day)s AND bucket_at < %(first_day)s + INTERVAL '1 day'

-- size --
SELECT
    table_bytes AS heap,
    index_bytes AS indexes,
    total_bytes AS total
FROM hypertable_detailed_size(%(relation)s)

-- chunks --
SELECT format('%%I.%%I', chunk_schema, chunk_name) AS chunk
FROM timescaledb_information.chunks
WHERE hypertable_name = %(relation)s AND NOT is_compressed

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
    location,
    date_bin('5 minutes', slot_at, 'epoch') AS bucket_at,
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
SELECT * FROM vantage.availability(%(to_at)s - INTERVAL '30 days', %(to_at)s)

-- ask year_of_days --
SELECT
    location,
    date_bin('7 days', bucket_at, 'epoch') AS week_at,
    vantage.percentile(vantage.merge(total_histogram), 0.95) AS p95_us
FROM report.results_1d
WHERE monitor_id = 7 AND bucket_at >= %(to_at)s - INTERVAL '365 days' AND bucket_at < %(to_at)s
GROUP BY 1, 2
