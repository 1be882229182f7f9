-- What the report centre may see: the current account's rows (SET LOCAL vantage.account_id), and
-- nothing while no account is set. Owned by vantage_views, which row-level security binds; the
-- report centre's own role has no right on any table.
CREATE SCHEMA IF NOT EXISTS report;
COMMENT ON SCHEMA report IS
    'The report centre''s views: one account''s rows, chosen by SET LOCAL vantage.account_id.';

CREATE OR REPLACE VIEW report.locations WITH (security_barrier) AS
SELECT
    locations.name,
    locations.title,
    locations.region,
    locations.country,
    locations.latitude,
    locations.longitude,
    (SELECT max(agents.last_seen_at)
     FROM vantage.agents
     WHERE agents.location = locations.name AND agents.revoked_at IS NULL) AS last_seen_at,
    locations.asn
FROM vantage.locations
WHERE vantage.current_account() IS NOT NULL;
COMMENT ON VIEW report.locations IS 'Every location, and when it was last heard of.';
COMMENT ON COLUMN report.locations.name IS 'Short name, as in report.results.location.';
COMMENT ON COLUMN report.locations.title IS 'As shown to people.';
COMMENT ON COLUMN report.locations.region IS 'Groups locations. NULL: none.';
COMMENT ON COLUMN report.locations.country IS 'ISO 3166-1 alpha-2. NULL: not stated.';
COMMENT ON COLUMN report.locations.latitude IS 'Degrees north. NULL: not stated.';
COMMENT ON COLUMN report.locations.longitude IS 'Degrees east. NULL: not stated.';
COMMENT ON COLUMN report.locations.last_seen_at IS
    'Last heartbeat of any of its agents. NULL: none ever connected.';
COMMENT ON COLUMN report.locations.asn IS
    'Autonomous system that its agents'' packets leave from. NULL: not stated.';

CREATE OR REPLACE VIEW report.monitors WITH (security_barrier) AS
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    max_redirects,
    created_at,
    is_everywhere,
    paused_at,
    kind,
    tags,
    method,
    headers,
    vantage.as_text(body) AS body,
    ip_version,
    is_paired,
    http_version,
    is_insecure,
    is_uncompressed,
    assertions,
    ARRAY(
        SELECT secrets.name FROM vantage.secrets
        WHERE secrets.monitor_id = monitors.id
        ORDER BY secrets.name COLLATE "C") AS secrets,
    jsonb_build_object(
        'method', method, 'headers', headers, 'body', vantage.as_text(body),
        'ip_version', ip_version, 'is_paired', is_paired, 'http_version', http_version,
        'is_insecure', is_insecure, 'is_uncompressed', is_uncompressed,
        'max_redirects', max_redirects) AS request,
    jsonb_build_object(
        'client_certificate', client_certificate, 'authority', authority, 'proxy', proxy,
        'connect_to', host(connect_to), 'name_server', name_server,
        'phase_timeouts', phase_timeouts) AS terms
FROM vantage.monitors
WHERE account_id = vantage.current_account() AND removed_at IS NULL;
COMMENT ON VIEW report.monitors IS 'The account''s monitors, less the removed ones.';
COMMENT ON COLUMN report.monitors.id IS 'Identity, as in report.results.monitor_id.';
COMMENT ON COLUMN report.monitors.name IS 'As shown to people.';
COMMENT ON COLUMN report.monitors.url IS 'What is fetched.';
COMMENT ON COLUMN report.monitors.interval_s IS 'Seconds between two slots at one location.';
COMMENT ON COLUMN report.monitors.timeout_us IS 'Limit on one result, redirects included.';
COMMENT ON COLUMN report.monitors.slow_us IS
    'An up result whose total_us exceeds this is degraded. NULL: no limit.';
COMMENT ON COLUMN report.monitors.max_redirects IS 'Redirects followed.';
COMMENT ON COLUMN report.monitors.created_at IS 'When the monitor was added.';
COMMENT ON COLUMN report.monitors.is_everywhere IS 'Probed from all locations, those to come too.';
COMMENT ON COLUMN report.monitors.tags IS 'Words it is grouped by. Empty: none.';
COMMENT ON COLUMN report.monitors.paused_at IS 'Since when it rests. NULL: it is probed.';
COMMENT ON COLUMN report.monitors.method IS 'Method of the request.';
COMMENT ON COLUMN report.monitors.headers IS
    'Headers added to the request, as in vantage.monitors; none that is secret.';
COMMENT ON COLUMN report.monitors.body IS
    'Body of the request. NULL: there is none, or it is not UTF-8.';
COMMENT ON COLUMN report.monitors.ip_version IS
    'The only family that is looked up and connected to, 4 or 6. NULL: any.';
COMMENT ON COLUMN report.monitors.is_paired IS 'Each slot is run over IPv4 and IPv6 at once.';
COMMENT ON COLUMN report.monitors.http_version IS
    '1.1, 2 or 3, and no other is spoken. NULL: what server and agent agree on.';
COMMENT ON COLUMN report.monitors.is_insecure IS 'The server''s certificate is not verified.';
COMMENT ON COLUMN report.monitors.is_uncompressed IS 'No compressed body is asked for.';
COMMENT ON COLUMN report.monitors.assertions IS
    'What must be true of the answer, as in vantage.monitors.';
COMMENT ON COLUMN report.monitors.secrets IS
    'What is set that nobody is shown: names of headers, "client key", "proxy password".';
COMMENT ON COLUMN report.monitors.request IS
    'What is asked, as report.define_monitor() takes it: columns by their names.';
COMMENT ON COLUMN report.monitors.terms IS
    'On which terms, as report.define_monitor() takes them: columns by their names.';
COMMENT ON COLUMN report.monitors.kind IS
    'request: the URL alone; page: also what its document asks for.';
-- Migration 0052 took over what it held; the view above read it until now.
DROP TABLE IF EXISTS vantage.monitor_secrets;

CREATE OR REPLACE VIEW report.monitor_locations WITH (security_barrier) AS
SELECT
    monitor_locations.monitor_id,
    monitor_locations.location
FROM vantage.monitor_locations
JOIN vantage.monitors ON monitors.id = monitor_locations.monitor_id
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON VIEW report.monitor_locations IS 'From where each of the account''s monitors is probed.';
COMMENT ON COLUMN report.monitor_locations.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.monitor_locations.location IS 'A location that probes it.';
