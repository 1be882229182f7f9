-- accounts --
SELECT
    id,
    name,
    created_at
FROM vantage.accounts
ORDER BY id

-- set_password --
WITH changed AS (
    UPDATE vantage.users
    SET password_hash = %(password_hash)s
    WHERE lower(email) = lower(%(email)s)
    RETURNING id
),
ended AS (
    DELETE FROM vantage.sessions
    USING changed
    WHERE sessions.user_id = changed.id
)
SELECT id FROM changed

-- set_operator --
UPDATE vantage.users
SET is_operator = %(is_operator)s
WHERE lower(email) = lower(%(email)s)
RETURNING id

-- add_account --
INSERT INTO vantage.accounts (name)
VALUES (%(name)s)
RETURNING id

-- add_user --
INSERT INTO vantage.users (account_id, email, name, password_hash)
VALUES (%(account_id)s, %(email)s, %(name)s, %(password_hash)s)

-- locations --
SELECT
    name,
    title,
    region,
    country,
    latitude,
    longitude,
    asn,
    (SELECT count(*) FROM vantage.agents
     WHERE agents.location = locations.name AND agents.revoked_at IS NULL
         AND agents.last_seen_at > now() - INTERVAL '15 seconds') AS agents_online
FROM vantage.locations
ORDER BY name

-- add_location --
WITH added AS (
    INSERT INTO vantage.locations (name, title, region, country, latitude, longitude, asn)
    VALUES (
        %(name)s, %(title)s, %(region)s, %(country)s, %(latitude)s, %(longitude)s, %(asn)s)
    RETURNING name
)
INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT
    monitors.id,
    added.name
FROM vantage.monitors
CROSS JOIN added
WHERE monitors.is_everywhere
    AND monitors.removed_at IS NULL
    -- One that has as many as its plan allows gets no more.
    AND NOT EXISTS (
        SELECT FROM vantage.accounts
        JOIN vantage.plans ON plans.name = accounts.plan
        WHERE accounts.id = monitors.account_id
            AND plans.max_locations <= (
                SELECT count(*) FROM vantage.monitor_locations
                WHERE monitor_locations.monitor_id = monitors.id))

-- monitors --
SELECT
    monitors.id,
    monitors.name,
    monitors.url,
    monitors.interval_s,
    monitors.timeout_us,
    monitors.slow_us,
    monitors.max_redirects,
    accounts.name AS account,
    CASE
        WHEN monitors.paused_at IS NOT NULL OR monitors.is_paused_by_licence THEN 'paused'
        ELSE verdicts.state
    END AS state,
    ARRAY(
        SELECT location FROM vantage.monitor_locations
        WHERE monitor_locations.monitor_id = monitors.id
        ORDER BY location) AS locations
FROM vantage.monitors
JOIN vantage.accounts ON accounts.id = monitors.account_id
LEFT JOIN vantage.verdicts ON verdicts.monitor_id = monitors.id
WHERE monitors.removed_at IS NULL
ORDER BY monitors.id

-- monitor --
SELECT
    monitors.id,
    monitors.name,
    accounts.name AS account,
    monitors.url,
    monitors.kind,
    monitors.tags,
    monitors.method,
    monitors.headers,
    monitors.body,
    monitors.ip_version,
    monitors.http_version,
    monitors.is_insecure,
    monitors.is_uncompressed,
    monitors.is_paired,
    monitors.client_certificate,
    monitors.authority,
    monitors.proxy,
    host(monitors.connect_to) AS connect_to,
    monitors.name_server,
    monitors.phase_timeouts,
    ARRAY(
        SELECT secrets.name FROM vantage.secrets
        WHERE secrets.monitor_id = monitors.id
        ORDER BY secrets.name COLLATE "C") AS secrets,
    monitors.max_redirects,
    monitors.interval_s,
    monitors.timeout_us,
    monitors.slow_us,
    monitors.assertions,
    monitors.is_everywhere,
    ARRAY(
        SELECT location FROM vantage.monitor_locations
        WHERE monitor_locations.monitor_id = monitors.id
        ORDER BY location) AS locations,
    monitors.paused_at,
    monitors.is_paused_by_licence,
    monitors.created_at
FROM vantage.monitors
JOIN vantage.accounts ON accounts.id = monitors.account_id
WHERE (monitors.id = %(id)s OR monitors.account_id = %(account_id)s)
    AND monitors.removed_at IS NULL
ORDER BY monitors.id

-- remove_monitor --
UPDATE vantage.monitors
SET removed_at = now()
WHERE id = %(id)s
    AND removed_at IS NULL
RETURNING url

-- agents --
SELECT
    agents.id,
    agents.location,
    agents.name,
    agents.enrolled_at,
    agents.certificate_expires_at,
    agents.revoked_at,
    agents.last_seen_at,
    agents.version,
    agents.backlog,
    agents.clock_offset_us,
    agents.clock_uncertainty_us,
    agents.is_clock_off,
    agents.revoked_at IS NULL
        AND COALESCE(agents.last_seen_at > now() - INTERVAL '15 seconds', false) AS is_online
FROM vantage.agents
ORDER BY
    agents.location,
    agents.enrolled_at

-- known_agent --
SELECT
FROM vantage.agents
WHERE id = %(id)s

-- revoke_agent --
UPDATE vantage.agents
SET revoked_at = now()
WHERE id = %(id)s
    AND revoked_at IS NULL
RETURNING name

-- status --
SELECT
    COALESCE((SELECT sum(high_water) FROM vantage.incarnations), 0)::bigint AS results,
    (SELECT count(*) FROM vantage.agents WHERE revoked_at IS NULL) AS agents,
    (SELECT count(*) FROM vantage.agents
     WHERE revoked_at IS NULL AND last_seen_at > now() - INTERVAL '15 seconds') AS agents_online

-- is_enrolled --
SELECT id
FROM vantage.agents
WHERE id = %(id)s
    AND location = %(location)s
    AND revoked_at IS NULL
    AND certificate_expires_at > now() + INTERVAL '1 hour'

-- run_now --
SELECT pg_notify('vantage_run_now', %(payload)s)

-- extra_results --
SELECT
    location,
    outcome::text AS outcome,
    failure,
    detail,
    http_status,
    dns_us,
    connect_us,
    tls_us,
    wait_us,
    receive_us,
    total_us
FROM vantage.results
WHERE monitor_id = %(monitor_id)s
    AND slot_at = %(requested_at)s
    AND is_extra
ORDER BY location

-- agent_events --
SELECT
    agent_events.at,
    agent_events.location,
    agents.name AS agent,
    agent_events.agent_id,
    agent_events.kind,
    agent_events.detail
FROM vantage.agent_events
JOIN vantage.agents ON agents.id = agent_events.agent_id
WHERE %(agent_id)s::uuid IS NULL OR agent_events.agent_id = %(agent_id)s
ORDER BY agent_events.id DESC
LIMIT %(last)s

-- account_of --
SELECT account_id
FROM vantage.monitors
WHERE id = %(id)s
    AND removed_at IS NULL

-- known_monitors --
SELECT id
FROM vantage.monitors
WHERE id = ANY(%(ids)s::bigint[])
    AND (%(account_id)s::integer IS NULL OR account_id = %(account_id)s)

-- lock_dependencies --
SELECT
FROM vantage.accounts
WHERE id = (SELECT account_id FROM vantage.monitors WHERE id = %(id)s)
FOR UPDATE

-- parents --
SELECT
    parents.id,
    parents.name
FROM vantage.monitor_dependencies
JOIN vantage.monitors AS parents ON parents.id = monitor_dependencies.parent_id
WHERE monitor_dependencies.monitor_id = %(id)s
    AND parents.removed_at IS NULL
ORDER BY parents.id
