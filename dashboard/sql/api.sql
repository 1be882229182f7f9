-- What only the API asks for.

-- api_monitors --
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    kind,
    tags,
    is_everywhere,
    ARRAY(
        SELECT location FROM report.monitor_locations
        WHERE monitor_locations.monitor_id = monitors.id
        ORDER BY location) AS locations,
    paused_at,
    created_at,
    request,
    terms,
    assertions,
    secrets
FROM report.monitors
WHERE id > %(after)s
ORDER BY id
LIMIT %(count)s

-- api_locations --
SELECT
    name,
    title,
    region,
    country,
    latitude,
    longitude,
    last_seen_at
FROM report.locations
ORDER BY name

-- results --
SELECT
    slot_at,
    location,
    outcome::text AS outcome,
    failure,
    detail,
    http_status,
    http_version,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    send_us,
    wait_us,
    receive_us,
    header_bytes,
    body_bytes,
    redirects,
    host(target_ip) AS target_ip,
    cert_expires_at,
    suspect,
    is_extra
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at <= %(before_at)s
    AND (slot_at, location) < (%(before_at)s, %(before_location)s)
ORDER BY
    slot_at DESC,
    location DESC
LIMIT %(count)s
