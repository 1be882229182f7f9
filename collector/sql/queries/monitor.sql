-- insert --
INSERT INTO vantage.monitors (
    account_id, name, url, kind, is_everywhere, interval_s, timeout_us, slow_us,
    max_redirects, method, headers, body, ip_version, http_version, is_insecure, is_uncompressed,
    is_paired, client_certificate, authority, proxy, connect_to, name_server, phase_timeouts,
    assertions, tags)
VALUES (
    %(account_id)s, %(name)s, %(url)s, %(kind)s, %(is_everywhere)s, %(interval_s)s, %(timeout_us)s, %(slow_us)s, %(max_redirects)s, %(method)s,
    %(headers)s, %(body)s, %(ip_version)s, %(http_version)s, %(is_insecure)s, %(is_uncompressed)s,
    %(is_paired)s, %(client_certificate)s, %(authority)s, %(proxy)s, %(connect_to)s,
    %(name_server)s, %(phase_timeouts)s, %(assertions)s, %(tags)s)
RETURNING id

-- update --
UPDATE vantage.monitors
SET
    name = %(name)s,
    url = %(url)s,
    kind = %(kind)s,
    tags = %(tags)s,
    paused_at = CASE WHEN %(is_paused)s THEN COALESCE(paused_at, now()) END,
    is_everywhere = %(is_everywhere)s,
    interval_s = %(interval_s)s,
    timeout_us = %(timeout_us)s,
    slow_us = %(slow_us)s,
    max_redirects = %(max_redirects)s,
    method = %(method)s,
    headers = %(headers)s,
    body = %(body)s,
    ip_version = %(ip_version)s,
    http_version = %(http_version)s,
    is_insecure = %(is_insecure)s,
    is_uncompressed = %(is_uncompressed)s,
    is_paired = %(is_paired)s,
    client_certificate = %(client_certificate)s,
    authority = %(authority)s,
    proxy = %(proxy)s,
    connect_to = %(connect_to)s,
    name_server = %(name_server)s,
    phase_timeouts = %(phase_timeouts)s,
    assertions = %(assertions)s
WHERE id = %(id)s

-- place --
SELECT vantage.place_monitor(%(id)s, %(locations)s)
