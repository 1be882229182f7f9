-- Rows of the first schema, as a dump of them would be restored. Never changed.
INSERT INTO vantage.accounts (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'Shop & Sons');
INSERT INTO vantage.locations (name, title, country, latitude, longitude)
VALUES ('fra', 'Frankfurt', 'DE', 50.1, 8.7), ('sin', 'Singapore', 'SG', 1.4, 104);
INSERT INTO vantage.monitors (id, account_id, name, url, interval_s, slow_us, headers, created_at)
OVERRIDING SYSTEM VALUE
VALUES
    (1, 1, 'Shop', 'https://shop.example/', 60, NULL, '[]', '2026-02-01'),
    (2, 1, 'Blog', 'https://blog.example/', 300, 900000, '[{"name": "Accept", "value": "text/html"}]',
        '2026-02-01');
SELECT setval(pg_get_serial_sequence('vantage.accounts', 'id'), 1),
    setval(pg_get_serial_sequence('vantage.monitors', 'id'), 2);
INSERT INTO vantage.monitor_locations VALUES (1, 'fra'), (1, 'sin'), (2, 'fra');
INSERT INTO vantage.agents (id, location, name, certificate_expires_at)
VALUES ('0a0a0a0a-0000-4000-8000-000000000001', 'fra', 'fra-1', '2026-03-08');
INSERT INTO vantage.incarnations (agent_id, incarnation, high_water)
VALUES ('0a0a0a0a-0000-4000-8000-000000000001', '\x000102030405060708090a0b0c0d0e0f', 4);
INSERT INTO vantage.results (
    slot_at, started_at, received_at, body_bytes, monitor_id, total_us, redirect_us, dns_us,
    connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, rtt_us, header_bytes,
    target_port, outcome, agent_id, http_status, redirects, suspect, location, failure, http_version,
    target_ip, local_ip)
VALUES
    ('2026-03-01 10:00:07Z', '2026-03-01 10:00:07Z', '2026-03-01 10:00:08Z', 5000, 1, 150000, 0, 5000,
        20000, 30000, 100, 84900, 10000, 400, 90, 19800, 300, 443, 'up',
        '0a0a0a0a-0000-4000-8000-000000000001', 200, 0, false, 'fra', NULL, '2', '203.0.113.1',
        '198.51.100.7'),
    ('2026-03-01 10:01:07Z', '2026-03-01 10:01:07Z', '2026-03-01 10:01:08Z', 5000, 1, 150000, 50000,
        5000, 20000, 30000, 100, 34900, 10000, 400, 90, 19800, 300, 443, 'up',
        '0a0a0a0a-0000-4000-8000-000000000001', 200, 1, false, 'fra', NULL, '2', '203.0.113.1',
        '198.51.100.7'),
    ('2026-03-02 11:00:07Z', '2026-03-02 11:00:07Z', '2026-03-02 11:00:08Z', 0, 1, 10000000, 0, 5000,
        9995000, NULL, NULL, NULL, NULL, 400, 90, NULL, 0, 443, 'down',
        '0a0a0a0a-0000-4000-8000-000000000001', NULL, 0, false, 'fra', 'connect_timeout', NULL,
        '203.0.113.1', NULL),
    ('2026-03-02 11:05:09Z', '2026-03-02 11:05:09Z', '2026-03-02 11:05:10Z', 900, 2, 150000, 0, 5000,
        20000, 30000, 100, 84900, 10000, 400, 90, 19800, 300, 443, 'up',
        '0a0a0a0a-0000-4000-8000-000000000001', 200, 0, false, 'fra', NULL, '1.1', '2001:db8::1',
        '198.51.100.7');
INSERT INTO vantage.exchanges (
    slot_at, body_bytes, monitor_id, total_us, connect_us, wait_us, rtt_us, header_bytes, target_port,
    http_status, hop, location, url, http_version, target_ip)
VALUES ('2026-03-01 10:01:07Z', 0, 1, 50000, 20000, 30000, 19800, 200, 80, 301, 1, 'fra',
    'http://shop.example/', '1.1', '203.0.113.1');
