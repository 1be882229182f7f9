-- Two accounts, seven monitors, five locations and a day of results with something to see in them.
-- The same every time for the same %(now)s; phases and outcome obey the table's checks.

-- people --
WITH demo AS (
    INSERT INTO vantage.accounts (name) VALUES ('Example Shop') RETURNING id
),
other AS (
    INSERT INTO vantage.accounts (name) VALUES ('Somebody Else') RETURNING id
)
INSERT INTO vantage.users (account_id, email, name, password_hash, is_operator)
SELECT id, 'demo@example.com', 'Demo', %(password_hash)s, true FROM demo
UNION ALL
SELECT id, 'other@example.com', 'Other', %(password_hash)s, false FROM other;

-- places --
INSERT INTO vantage.locations (name, title, region, country, latitude, longitude)
VALUES
    ('fra', 'Frankfurt', 'Europe', 'DE', 50.1, 8.7),
    ('iad', 'Ashburn', 'North America', 'US', 39.0, -77.5),
    ('gru', 'São Paulo', 'South America', 'BR', -23.4, -46.5),
    ('sin', 'Singapore', 'Asia', 'SG', 1.4, 104.0),
    ('syd', 'Sydney', 'Oceania', 'AU', -33.9, 151.2)
ON CONFLICT (name) DO NOTHING;

-- agents --
INSERT INTO vantage.agents
    (id, location, name, enrolled_at, certificate_expires_at, last_seen_at, version, backlog,
    clock_offset_us, clock_uncertainty_us)
SELECT
    md5('agent ' || name)::uuid,
    name,
    name || '-1',
    %(now)s - INTERVAL '9 days',
    %(now)s + INTERVAL '6 days',
    %(now)s,
    '0.1.0',
    0,
    length(title) * 137 - 1100,
    latitude::int * latitude::int / 4 + 210
FROM vantage.locations;

-- monitors --
INSERT INTO vantage.monitors (account_id, name, url, interval_s, slow_us, created_at)
SELECT accounts.id, wanted.name, wanted.url, wanted.interval_s, wanted.slow_us,
    %(now)s - INTERVAL '30 days'
FROM (VALUES
    (1, 'Example Shop', 'Checkout · cart page', 'https://shop.example.com/cart', 60, NULL),
    (2, 'Example Shop', 'Home page', 'https://www.example.com/', 60, NULL),
    (3, 'Example Shop', 'Sign-in API', 'https://api.example.com/v1/session', 60, 900000),
    (4, 'Example Shop', 'Old shop, redirected', 'http://old-shop.example.com/', 60, NULL),
    (5, 'Example Shop', 'Product pictures', 'https://cdn.example.com/p/1042.webp', 120, NULL),
    (6, 'Example Shop', 'Health check', 'https://health.example.com/ready', 300, NULL),
    (7, 'Somebody Else', 'Not yours', 'https://private.example.net/', 60, NULL)
) AS wanted (place, account, name, url, interval_s, slow_us)
JOIN vantage.accounts ON accounts.name = wanted.account
ORDER BY wanted.place;

-- tags --
UPDATE vantage.monitors SET tags = CASE
    WHEN name LIKE 'Checkout%%' THEN '{payment,shop}'::text[]
    WHEN name IN ('Home page', 'Old shop, redirected', 'Product pictures') THEN '{shop}'
    WHEN name = 'Sign-in API' THEN '{api}'
    ELSE '{}'
END;

-- assignments --
INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT monitors.id, locations.name
FROM vantage.monitors
CROSS JOIN vantage.locations
WHERE monitors.name <> 'Health check' OR locations.name IN ('fra', 'iad');

-- definitions --
-- They have been so since they were added.
WITH replaced AS (DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL)
UPDATE vantage.monitor_definitions SET valid_from_at = %(now)s - INTERVAL '30 days 1 second'
WHERE valid_to_at IS NULL;

-- results --
WITH places (location, rtt_us) AS (
    VALUES ('fra', 9000), ('iad', 46000), ('gru', 98000), ('sin', 82000), ('syd', 138000)
),
sites (name, think_us, body_bytes, cert_days) AS (
    VALUES
        ('Checkout · cart page', 62000, 48213, 81),
        ('Home page', 24000, 21930, 81),
        ('Sign-in API', 145000, 912, 81),
        ('Old shop, redirected', 30000, 21930, 54),
        ('Product pictures', 6000, 184220, 9),
        ('Health check', 3000, 17, 203),
        ('Not yours', 20000, 5000, 40)
),
slots AS MATERIALIZED (
    SELECT
        monitors.id AS monitor_id,
        monitors.name,
        monitors.url,
        monitors.slow_us,
        monitors.timeout_us,
        places.location,
        places.rtt_us,
        sites.think_us,
        sites.body_bytes,
        date_trunc('day', %(now)s) + make_interval(days => sites.cert_days + 1) AS cert_expires_at,
        'epoch'::timestamptz + make_interval(secs => (
            k * monitors.interval_s::bigint * 1000000
            + vantage.slot_offset_us(monitors.id, places.location, monitors.interval_s)) / 1e6
        ) AS slot_at,
        k
    FROM vantage.monitors
    JOIN sites USING (name)
    JOIN vantage.monitor_locations ON monitor_locations.monitor_id = monitors.id
    JOIN places USING (location)
    CROSS JOIN LATERAL generate_series(
        floor(extract(epoch FROM %(now)s - %(length)s::interval) / monitors.interval_s)::bigint,
        ceil(extract(epoch FROM %(now)s) / monitors.interval_s)::bigint
    ) AS k
),
noise AS MATERIALIZED (
    SELECT
        slots.*,
        %(now)s - slot_at AS age,
        1 + 0.28 * sin((extract(epoch FROM slot_at) / 86400 - 0.33) * 2 * pi()) AS busy,
        ('x' || substr(digest, 1, 4))::bit(16)::int / 65536.0 AS a,
        ('x' || substr(digest, 5, 4))::bit(16)::int / 65536.0 AS b,
        ('x' || substr(digest, 9, 4))::bit(16)::int / 65536.0 AS c,
        ('x' || substr(digest, 13, 4))::bit(16)::int / 65536.0 AS d
    FROM slots
    CROSS JOIN LATERAL (SELECT md5(slots.name || location || k)) AS drawn (digest)
    WHERE slot_at < %(now)s
        AND slot_at >= %(now)s - %(length)s::interval
        -- An agent was away, so these slots have no result.
        AND NOT (location = 'syd' AND %(now)s - slot_at BETWEEN '15 h' AND '15 h 40 min')
),
fates AS MATERIALIZED (
    SELECT
        noise.*,
        CASE
            WHEN name LIKE 'Checkout%%' AND location = 'sin' AND age < '26 min' THEN 'connect_timeout'
            WHEN name LIKE 'Checkout%%' AND location = 'sin' AND age BETWEEN '9 h' AND '9 h 11 min'
                THEN 'http_status'
            -- Chance must not decide how a monitor stands right now, here or below.
            WHEN age < '15 min' THEN NULL
            WHEN name = 'Product pictures' AND location = 'gru' AND a > 0.993 THEN 'connect_refused'
            WHEN name = 'Home page' AND location = 'iad' AND a > 0.9985 THEN 'dns_timeout'
        END AS broken,
        CASE
            WHEN name LIKE 'Checkout%%' AND location = 'gru' AND age BETWEEN '5 h' AND '6 h 20 min'
                THEN 330000
            WHEN name = 'Sign-in API' AND location = 'gru' AND age < '2 h' THEN 900000
            WHEN name = 'Sign-in API' AND location = 'sin' AND age < '2 h' THEN 620000
            WHEN age < '15 min' THEN 0
            WHEN b > 0.9975 THEN 700000
            ELSE 0
        END AS held_us,
        age >= '15 min' AND d > 0.999 AS is_suspect
    FROM noise
),
reached AS MATERIALIZED (
    SELECT
        fates.*,
        CASE WHEN broken = 'dns_timeout' THEN 5000000 + (c * 40000)::int
            ELSE (1800 + 9000 * c * c + rtt_us * 0.12)::int END AS dns_us,
        CASE broken
            WHEN 'dns_timeout' THEN NULL
            WHEN 'connect_timeout' THEN timeout_us - (1800 + 9000 * c * c + rtt_us * 0.12)::int
            ELSE (rtt_us * (1 + 0.09 * d))::int
        END AS connect_us,
        CASE
            WHEN broken IN ('dns_timeout', 'connect_timeout', 'connect_refused')
                OR url LIKE 'http:%%' AND name NOT LIKE 'Old shop%%' THEN NULL
            ELSE (rtt_us * 1.15 + 9000 + 6000 * b)::int
        END AS tls_us,
        CASE WHEN broken IN ('dns_timeout', 'connect_timeout', 'connect_refused') THEN NULL
            ELSE 90 + (c * 140)::int END AS send_us,
        CASE WHEN broken IN ('dns_timeout', 'connect_timeout', 'connect_refused') THEN NULL
            ELSE ((rtt_us + think_us * (0.8 + 0.7 * a * a)) * busy + held_us)::int END AS wait_us,
        CASE WHEN broken IN ('dns_timeout', 'connect_timeout', 'connect_refused') THEN NULL
            ELSE (body_bytes / 9.0 * (0.6 + b * 0.5) + rtt_us * 0.2)::int END AS receive_us,
        CASE WHEN name LIKE 'Old shop%%' THEN (rtt_us * 4.6 + 21000 + a * 9000)::int ELSE 0 END
            AS redirect_us
    FROM fates
),
summed AS MATERIALIZED (
    SELECT
        reached.*,
        redirect_us + COALESCE(dns_us, 0) + COALESCE(connect_us, 0) + COALESCE(tls_us, 0)
            + COALESCE(send_us, 0) + COALESCE(wait_us, 0) + COALESCE(receive_us, 0) AS total_us
    FROM reached
),
judged AS (
    SELECT
        summed.*,
        CASE WHEN broken IS NOT NULL THEN 'down'
            WHEN total_us > slow_us THEN 'degraded'
            ELSE 'up' END::vantage.outcome AS outcome
    FROM summed
)
INSERT INTO vantage.results (
    slot_at, started_at, received_at, cert_expires_at, body_bytes, monitor_id, total_us,
    redirect_us, dns_us, connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, rtt_us,
    header_bytes, target_port, outcome, agent_id, http_status, redirects, suspect, location,
    failure, detail, http_version, url, target_ip, local_ip)
SELECT
    slot_at,
    slot_at + make_interval(secs => (700 + d * 2400) / 1e6),
    slot_at + make_interval(secs => (total_us + 90000) / 1e6),
    CASE WHEN tls_us IS NOT NULL THEN cert_expires_at END,
    CASE WHEN receive_us IS NULL THEN 0 ELSE body_bytes END,
    monitor_id, total_us, redirect_us, dns_us, connect_us, tls_us, send_us, wait_us, receive_us,
    (700 + d * 2400)::int,
    (120 + a * 900 + CASE WHEN is_suspect THEN 61000 ELSE 0 END)::int,
    CASE WHEN tls_us IS NOT NULL THEN (rtt_us * (1 + 0.06 * d))::int END,
    CASE WHEN receive_us IS NULL THEN 0 ELSE 412 END,
    443,
    outcome,
    md5('agent ' || location)::uuid,
    CASE WHEN broken = 'http_status' THEN 503 WHEN receive_us IS NOT NULL THEN 200 END,
    CASE WHEN name LIKE 'Old shop%%' THEN 2 ELSE 0 END,
    is_suspect,
    location,
    CASE WHEN broken IS NOT NULL THEN broken WHEN outcome = 'degraded' THEN 'too_slow' END,
    CASE broken
        WHEN 'connect_timeout' THEN 'Connection timed out after 10001 milliseconds'
        WHEN 'connect_refused' THEN 'connect to 203.0.113.24 port 443 failed: Connection refused'
        WHEN 'dns_timeout' THEN 'no answer from 192.0.2.53 within 5 s'
        WHEN 'http_status' THEN '503 Service Unavailable'
    END,
    CASE WHEN receive_us IS NOT NULL THEN '2' END,
    CASE WHEN name LIKE 'Old shop%%' THEN 'https://www.example.com/shop?from=old' END,
    CASE WHEN broken IS DISTINCT FROM 'dns_timeout' THEN inet '203.0.113.24' END,
    CASE WHEN tls_us IS NOT NULL THEN inet '198.51.100.7' END
FROM judged;

-- verdicts --
INSERT INTO vantage.verdicts (
    monitor_id, state, since_at, judged_at, voting, needed, failing, slow, failing_since_at)
SELECT
    monitors.id,
    CASE WHEN name = 'Sign-in API' THEN 'degraded' ELSE 'up' END,
    %(now)s - CASE WHEN name = 'Sign-in API' THEN INTERVAL '2 h' ELSE '9 days' END,
    %(now)s - INTERVAL '25 min',
    (SELECT count(*) FROM vantage.monitor_locations WHERE monitor_id = monitors.id),
    2,
    CASE WHEN name LIKE 'Checkout%%' THEN '{sin}'::text[] ELSE '{}' END,
    CASE WHEN name = 'Sign-in API' THEN '{gru,sin}'::text[] ELSE '{}' END,
    -- As the results have it, or a page would tell two times.
    CASE WHEN name LIKE 'Checkout%%' THEN (
        SELECT min(slot_at)
        FROM vantage.results
        WHERE monitor_id = monitors.id
            AND location = 'sin'
            AND outcome = 'down'
            AND slot_at > %(now)s - INTERVAL '26 min')
    END
FROM vantage.monitors;

-- hops --
INSERT INTO vantage.exchanges (
    slot_at, body_bytes, monitor_id, total_us, dns_us, connect_us, tls_us, send_us, wait_us,
    receive_us, rtt_us, header_bytes, target_port, http_status, hop, location, url, http_version,
    target_ip, local_ip)
SELECT
    results.slot_at, 0, results.monitor_id,
    share.total_us,
    share.total_us / 8,
    share.total_us / 4,
    CASE WHEN hop = 2 THEN share.total_us / 4 END,
    120,
    share.total_us - 120 - share.total_us / 8 - share.total_us / 4
        - CASE WHEN hop = 2 THEN share.total_us / 4 ELSE 0 END - 60,
    60,
    results.connect_us,
    230,
    CASE hop WHEN 1 THEN 80 ELSE 443 END,
    301,
    hop,
    results.location,
    CASE hop WHEN 1 THEN 'http://old-shop.example.com/' ELSE 'https://old-shop.example.com/' END,
    CASE hop WHEN 1 THEN '1.1' ELSE '2' END,
    inet '203.0.113.24',
    inet '198.51.100.7'
FROM vantage.results
CROSS JOIN generate_series(1, 2) AS hop
CROSS JOIN LATERAL (SELECT CASE hop
    WHEN 1 THEN results.redirect_us * 2 / 5
    ELSE results.redirect_us - results.redirect_us * 2 / 5
END AS total_us) AS share
WHERE results.redirects = 2
    AND results.slot_at >= %(now)s - %(length)s::interval;

-- certificates --
-- Each target's present one; that of the checkout changed 20 days ago, with the version of TLS.
WITH shown AS (
    SELECT DISTINCT ON (monitor_id, location, cert_expires_at)
        monitor_id,
        location,
        cert_expires_at AS not_after,
        '1.3' AS tls_version,
        'TLS_AES_256_GCM_SHA384' AS tls_cipher,
        %(now)s - INTERVAL '20 days' AS first_seen_at,
        %(now)s - INTERVAL '2 hours' AS last_seen_at
    FROM vantage.results
    WHERE cert_expires_at IS NOT NULL
),
seen AS (
    TABLE shown
    UNION ALL
    SELECT monitor_id, location, not_after - INTERVAL '91 days', '1.2',
        'ECDHE-ECDSA-AES256-GCM-SHA384', first_seen_at - INTERVAL '10 days',
        first_seen_at - INTERVAL '5 hours'
    FROM shown
    JOIN vantage.monitors ON monitors.id = shown.monitor_id AND monitors.name LIKE 'Checkout%%'
),
named AS (
    SELECT
        seen.*,
        substring(monitors.url FROM '//([^/]+)') AS host,
        sha256(convert_to(monitors.url || not_after, 'UTF8')) AS leaf,
        sha256('issuer') AS issuer
    FROM seen
    JOIN vantage.monitors ON monitors.id = seen.monitor_id
),
added AS (
    INSERT INTO vantage.certificates (
        sha256, subject, issuer, names, serial, key, signature, not_before, not_after, der)
    SELECT DISTINCT ON (leaf)
        leaf,
        'CN=' || host,
        'CN=Example Issuing CA 3,O=Example Trust,C=US',
        ARRAY[host, 'www.' || host],
        substr(encode(leaf, 'hex'), 1, 32),
        'EC secp256r1',
        'ECDSA with SHA-256',
        not_after - INTERVAL '90 days',
        not_after,
        leaf
    FROM named
    UNION ALL
    SELECT sha256('issuer'), 'CN=Example Issuing CA 3,O=Example Trust,C=US',
        'CN=Example Root CA,O=Example Trust,C=US', '{}', '0a1b2c3d', 'RSA 4096', 'RSA with SHA-384',
        %(now)s - INTERVAL '900 days', %(now)s + INTERVAL '900 days', ''
)
INSERT INTO vantage.certificate_sightings (
    monitor_id, location, chain, tls_version, tls_cipher, expires_at, first_seen_at, last_seen_at)
SELECT
    monitor_id,
    location,
    ARRAY[leaf, issuer],
    tls_version,
    tls_cipher,
    not_after,
    first_seen_at,
    last_seen_at
FROM named;

-- rollups --
INSERT INTO vantage.ingested (
    received_from_at, received_to_at, from_slot_at, to_slot_at, agent_id, results, location)
SELECT
    min(received_at),
    max(received_at),
    min(slot_at),
    max(slot_at),
    agent_id,
    count(*),
    location
FROM vantage.results
WHERE slot_at >= %(now)s - %(length)s::interval
GROUP BY agent_id, location, date_bin('1 hour', slot_at, 'epoch')
ORDER BY min(slot_at);

-- rolled_up --
SELECT vantage.roll_up(10000000) FROM generate_series(1, 4);

-- statistics --
ANALYZE vantage.results, vantage.exchanges;
