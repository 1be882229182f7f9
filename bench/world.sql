-- What bench/world.py fills a database with.

-- world --
CREATE TABLE IF NOT EXISTS public.bench_world (
    today timestamptz NOT NULL,
    is_filled boolean NOT NULL,
    monitors integer NOT NULL,
    locations integer NOT NULL,
    days integer NOT NULL,
    full_days integer NOT NULL
)

-- places --
INSERT INTO vantage.locations (name, title, latitude, longitude)
SELECT 'l' || n, 'Location ' || n, 60 - n * 5 %% 100, n * 17 %% 360 - 180
FROM generate_series(1, %(locations)s) AS n

-- account --
WITH account AS (INSERT INTO vantage.accounts (name) VALUES ('Bench') RETURNING id)
INSERT INTO vantage.users (account_id, email, name, password_hash)
SELECT id, %(email)s, 'Bench', %(password_hash)s FROM account

-- monitors --
INSERT INTO vantage.monitors (account_id, name, url, interval_s, slow_us, created_at, tags)
SELECT 1, 'Monitor ' || n, 'https://site-' || n || '.example.com/', 60, 2000000, %(since)s,
    ARRAY['team ' || n %% 12]
FROM generate_series(1, %(monitors)s) AS n

-- assignments --
INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT monitors.id, locations.name FROM vantage.monitors, vantage.locations
ON CONFLICT DO NOTHING

-- definitions --
DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL;
UPDATE vantage.monitor_definitions SET valid_from_at = %(since)s;

-- progress --
-- The leader would drop what a bench keeps for longer than others.
UPDATE vantage.retention SET keep = NULL;
UPDATE vantage.rollup_progress SET
    hours_from_at = %(hours_at)s,
    hours_to_at = %(to_at)s,
    hours_monitor_id = 0,
    medians_from_at = %(medians_at)s,
    medians_to_at = %(to_at)s,
    medians_monitor_id = 0;
DELETE FROM vantage.medians WHERE bucket_at < %(medians_at)s;
DELETE FROM vantage.monitors_1h;
INSERT INTO vantage.monitors_1h
SELECT bucket_at, monitor_id, sum(run), sum(degraded), sum(down)
FROM vantage.totals_1h
WHERE bucket_at >= %(to_at)s - INTERVAL '2 days'
GROUP BY bucket_at, monitor_id;

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

-- hour --
-- An hour of results, one a minute and pair, in the order in which they would come.
INSERT INTO vantage.results (
    slot_at, started_at, received_at, cert_expires_at, body_bytes, monitor_id, total_us, redirect_us,
    dns_us, connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, rtt_us, header_bytes,
    target_port, outcome, agent_id, http_status, redirects, suspect, location, failure, detail,
    http_version, target_ip, local_ip)
SELECT
    slot_at,
    started_at,
    sent_at + make_interval(secs => (20000 + (hashtext(location || sent_at) & 65535)) / 1e6),
    '2027-06-01',
    18000,
    monitor_id,
    total_us,
    0,
    dns_us,
    connect_us,
    tls_us,
    send_us,
    wait_us,
    receive_us,
    delay_us,
    lag_us,
    rtt_us,
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
        %(begin)s::timestamptz + make_interval(
            secs => m * 60 + vantage.slot_offset_us(n, 'l' || l, 60) / 1e6) AS slot_at,
        n AS monitor_id,
        'l' || l AS location,
        (2000 + 9000 * random() * random())::integer AS dns_us,
        (3000 + 7000 * l + 900 * random())::integer AS connect_us,
        (9000 + 8000 * l + 4000 * random())::integer AS tls_us,
        (60 + 100 * random() * random())::integer AS send_us,
        (20000 + 7000 * l + 90000 * random() * random() * random())::integer AS wait_us,
        (3000 + 9000 * random())::integer AS receive_us,
        (300 + 2000 * random() * random())::integer AS delay_us,
        (50 + 800 * random() * random() * random())::integer AS lag_us,
        (60 * random())::integer AS accepting_us,
        random() < 0.001 AS is_down
    FROM generate_series(0, 59) AS m
    CROSS JOIN generate_series(1, %(monitors)s) AS n
    CROSS JOIN generate_series(1, %(locations)s) AS l
) AS drawn
CROSS JOIN LATERAL (SELECT
    slot_at + make_interval(secs => delay_us / 1e6) AS started_at,
    connect_us - accepting_us AS rtt_us,
    dns_us + connect_us + tls_us + send_us + wait_us + receive_us AS total_us
) AS measured
-- An agent's results of a tenth of a second are one batch, which is received at one time.
CROSS JOIN LATERAL (SELECT
    date_bin('100 ms', started_at + make_interval(secs => total_us / 1e6), 'epoch') + INTERVAL '100 ms'
        AS sent_at
) AS batch
ORDER BY slot_at

-- columns --
-- What is copied, and which of it are instants (the first one is when a row belongs).
SELECT
    attname,
    atttypid = 'timestamptz'::regtype
FROM pg_attribute
WHERE attrelid = %(relation)s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum

-- chunk --
SELECT format('%%I.%%I', chunk_schema, chunk_name)
FROM timescaledb_information.chunks
WHERE hypertable_name = 'results' AND range_start = %(day)s

-- compress --
-- If the policy of results would have done so by now; the Apache edition has none.
SELECT compress_chunk(format('%%I.%%I', chunk_schema, chunk_name)::regclass, if_not_compressed => true)
FROM timescaledb_information.chunks
JOIN timescaledb_information.jobs USING (hypertable_schema, hypertable_name)
WHERE hypertable_schema = 'vantage' AND hypertable_name = 'results'
    AND proc_name IN ('policy_compression', 'policy_columnstore')
    AND range_start = %(day)s
    AND range_end < now() - (config ->> 'compress_after')::interval

-- copy --
-- {{into}}, {{columns}}, {{moved}}, {{relation}} and {{instant}} stand for names.
INSERT INTO {into} ({columns})
SELECT {moved}
FROM {relation}
WHERE {instant} >= %(from_at)s AND {instant} < %(to_at)s

-- last_slot --
SELECT max(slot_at)
FROM vantage.results
WHERE slot_at >= (
    SELECT max(slot_at) FROM vantage.standings
    -- Not of what was stored for measuring.
    WHERE monitor_id IN (SELECT id FROM vantage.monitors))

-- ingested --
INSERT INTO vantage.ingested (
    received_from_at, received_to_at, from_slot_at, to_slot_at, agent_id, results, location)
SELECT min(received_at), max(received_at), min(slot_at), max(slot_at), agent_id, count(*), location
FROM vantage.results
WHERE slot_at >= %(begin)s AND slot_at < %(until)s
GROUP BY
    agent_id,
    location

-- roll_up --
SELECT results FROM vantage.roll_up()

-- sum_up_medians --
SELECT vantage.sum_up_medians()

-- sum_up_hour --
SELECT vantage.sum_up_hour()

