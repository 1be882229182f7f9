-- What bench/showing.py shows: monitors at 20 locations, few of them with all their results of a
-- week, the others with those of the last minutes and a day's hours.

-- places --
INSERT INTO vantage.locations (name, title, latitude, longitude)
SELECT 'loc' || n, 'Location ' || n, 60 - n * 5, n * 17 - 180
FROM generate_series(1, 20) AS n;

-- account --
WITH account AS (INSERT INTO vantage.accounts (name) VALUES ('Bench') RETURNING id)
INSERT INTO vantage.users (account_id, email, name, password_hash)
SELECT id, 'bench@example.com', 'Bench', %(password_hash)s FROM account;

-- monitors --
INSERT INTO vantage.monitors (account_id, name, url, interval_s, slow_us, created_at, tags)
SELECT accounts.id, 'Monitor ' || n, 'https://site-' || n || '.example.com/', 60, 2000000,
    %(now)s - INTERVAL '30 days', ARRAY['team ' || n %% 12]
FROM generate_series(1, %(monitors)s) AS n, vantage.accounts;

-- assignments --
INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT monitors.id, locations.name FROM vantage.monitors, vantage.locations
ON CONFLICT DO NOTHING;

-- definitions --
WITH replaced AS (DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL)
UPDATE vantage.monitor_definitions SET valid_from_at = %(now)s - INTERVAL '30 days 1 second'
WHERE valid_to_at IS NULL;

-- results --
INSERT INTO vantage.results (
    slot_at, started_at, received_at, cert_expires_at, body_bytes, monitor_id, total_us,
    redirect_us, dns_us, connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, rtt_us,
    header_bytes, target_port, outcome, agent_id, http_status, redirects, suspect, location, failure,
    http_version, target_ip)
SELECT
    slot_at, slot_at, slot_at + INTERVAL '1 second', %(now)s + INTERVAL '60 days', 20000, monitor_id,
    6 * step_us, 0, step_us, step_us, step_us, step_us, step_us, step_us, 900, 300, step_us,
    400, 443, CASE WHEN is_down THEN 'down' ELSE 'up' END::vantage.outcome,
    md5(location)::uuid, CASE WHEN is_down THEN 503 ELSE 200 END, 0, false, location,
    CASE WHEN is_down THEN 'http_status' END, '2', '203.0.113.9'
FROM (
    SELECT
        monitors.id AS monitor_id,
        locations.name AS location,
        'epoch'::timestamptz + make_interval(secs => (
            k * 60000000
            + vantage.slot_offset_us(monitors.id, locations.name, 60)) / 1e6) AS slot_at,
        10000 + (hashint8(k * 31 + monitors.id * 7919 + ascii(right(locations.name, 1))) & 65535)
            AS step_us,
        hashint8(k * 17 + monitors.id) & 1023 = 0 AS is_down
    FROM vantage.monitors
    CROSS JOIN vantage.locations
    CROSS JOIN LATERAL generate_series(
        extract(epoch FROM %(now)s - CASE WHEN monitors.id <= %(whole)s
            THEN INTERVAL '7 days' ELSE INTERVAL '5 minutes' END)::bigint / 60,
        extract(epoch FROM %(now)s)::bigint / 60 - 1) AS k
) AS slots;

-- rollups --
INSERT INTO vantage.ingested (
    received_from_at, received_to_at, from_slot_at, to_slot_at, agent_id, results, location)
SELECT min(received_at), max(received_at), min(slot_at), max(slot_at), agent_id, count(*), location
FROM vantage.results
GROUP BY agent_id, location, date_bin('1 hour', slot_at, 'epoch')
ORDER BY min(slot_at);

-- rolled_up --
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM vantage.ingested) LOOP
        PERFORM vantage.roll_up(10000000);
    END LOOP;
    WHILE vantage.sum_up_medians() IS NOT NULL LOOP
    END LOOP;
END
$$;

-- copied --
CREATE TEMPORARY TABLE copied AS
SELECT * FROM vantage.rollups_1h
WHERE monitor_id = 1 AND bucket_at > %(now)s - INTERVAL '26 hours';

-- renumbered --
INSERT INTO vantage.rollups_1h
SELECT another.*
FROM vantage.monitors
CROSS JOIN copied
CROSS JOIN LATERAL jsonb_populate_record(
    copied, jsonb_build_object('monitor_id', monitors.id)) AS another
WHERE monitors.id > %(whole)s
-- The hour that their own last minutes are in stays theirs.
ON CONFLICT DO NOTHING;

-- totals --
-- Of the copied hours, too, which nobody rolled up: from the first hour on, as if the collector did it.
TRUNCATE vantage.totals_1h, vantage.monitors_1h, vantage.rollups_1d;
UPDATE vantage.rollup_progress SET
    (hours_from_at, hours_to_at) = (
        SELECT min(bucket_at), min(bucket_at) FROM vantage.rollups_1h),
    hours_monitor_id = 0;
DO $$
BEGIN
    WHILE vantage.sum_up_hour() IS NOT NULL LOOP
    END LOOP;
END
$$;

-- statistics --
-- Of monitors vantage apply takes them, of what is measured autovacuum within a minute.
ANALYZE vantage.monitors, vantage.monitor_locations, vantage.standings, vantage.results, vantage.medians,
    vantage.totals_1h, vantage.monitors_1h, vantage.rollups_1h, vantage.rollups_1d;
