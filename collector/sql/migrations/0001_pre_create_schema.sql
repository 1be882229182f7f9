-- The first schema: who there is, what is measured, from where, and what was found.
-- Instants are timestamptz; durations are integer microseconds (_us). Comments on every column
-- are the contract; tests/contract/test_sql.py sees that none is missing.

CREATE EXTENSION IF NOT EXISTS timescaledb;

-- Roles belong to the whole server, so another database may have made them already.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['vantage_collector', 'vantage_dashboard', 'vantage_reader'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    BEGIN
        CREATE ROLE vantage_views NOLOGIN;
        -- An owner who is no superuser must be able to hand the views over.
        GRANT vantage_views TO CURRENT_USER;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END;
END
$$;

CREATE SCHEMA IF NOT EXISTS vantage;
COMMENT ON SCHEMA vantage IS 'Vantage: what is measured, from where, and every result.';

CREATE TYPE vantage.outcome AS ENUM ('up', 'degraded', 'down');
COMMENT ON TYPE vantage.outcome IS
    'Judgement of one result: up; degraded (it answers, but is slower than the monitor''s limit or '
    'fails an assertion that degrades only); down.';

-- Accounts and people ---------------------------------------------------------------------------

CREATE TABLE vantage.accounts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.accounts IS 'A customer: owns monitors, has members.';
COMMENT ON COLUMN vantage.accounts.id IS 'Identity.';
COMMENT ON COLUMN vantage.accounts.name IS 'As shown to people.';
COMMENT ON COLUMN vantage.accounts.created_at IS 'When the account was made.';

CREATE TABLE vantage.users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    email text NOT NULL CHECK (email LIKE '%_@_%'),
    name text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON vantage.users (lower(email));
COMMENT ON TABLE vantage.users IS 'A person who can sign in to the report centre.';
COMMENT ON COLUMN vantage.users.id IS 'Identity.';
COMMENT ON COLUMN vantage.users.account_id IS 'The account whose monitors this person sees.';
COMMENT ON COLUMN vantage.users.email IS 'Sign-in name, compared without regard to case.';
COMMENT ON COLUMN vantage.users.name IS 'As shown to people.';
COMMENT ON COLUMN vantage.users.password_hash IS 'argon2id, in PHC string format.';
COMMENT ON COLUMN vantage.users.created_at IS 'When the person was added.';

CREATE TABLE vantage.sessions (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id integer NOT NULL REFERENCES vantage.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE vantage.sessions IS 'A signed-in browser. Deleting the row signs it out.';
COMMENT ON COLUMN vantage.sessions.token_hash IS 'SHA-256 of the token that the browser holds.';
COMMENT ON COLUMN vantage.sessions.user_id IS 'Who signed in.';
COMMENT ON COLUMN vantage.sessions.created_at IS 'When they signed in.';
COMMENT ON COLUMN vantage.sessions.expires_at IS 'From when on the session no longer counts.';

-- What is measured, from where ------------------------------------------------------------------

CREATE TABLE vantage.locations (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    title text NOT NULL CHECK (title <> ''),
    region text,
    country text CHECK (country ~ '^[A-Z]{2}$'),
    latitude real CHECK (latitude BETWEEN -90 AND 90),
    longitude real CHECK (longitude BETWEEN -180 AND 180),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
COMMENT ON TABLE vantage.locations IS 'A named place that monitors are probed from.';
COMMENT ON COLUMN vantage.locations.name IS 'Short name, as in results.location: fra, sin, nyc1.';
COMMENT ON COLUMN vantage.locations.title IS 'As shown to people: Frankfurt.';
COMMENT ON COLUMN vantage.locations.region IS 'Groups locations: Europe. NULL: none.';
COMMENT ON COLUMN vantage.locations.country IS 'ISO 3166-1 alpha-2. NULL: not stated.';
COMMENT ON COLUMN vantage.locations.latitude IS 'Degrees north. NULL: not stated.';
COMMENT ON COLUMN vantage.locations.longitude IS 'Degrees east. NULL: not stated.';
COMMENT ON COLUMN vantage.locations.created_at IS 'When the location was added.';

CREATE TABLE vantage.monitors (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    url text NOT NULL CHECK (url ~ '^https?://' AND length(url) <= 2048),
    interval_s integer NOT NULL DEFAULT 60 CHECK (interval_s BETWEEN 1 AND 86400),
    timeout_us integer NOT NULL DEFAULT 10000000 CHECK (timeout_us BETWEEN 100000 AND 60000000),
    slow_us integer CHECK (slow_us > 0),
    max_redirects smallint NOT NULL DEFAULT 10 CHECK (max_redirects BETWEEN 0 AND 50),
    method text NOT NULL DEFAULT 'GET'
        CHECK (method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')),
    headers jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(headers) = 'array'),
    body bytea CHECK (length(body) BETWEEN 1 AND 65536),
    ip_version smallint CHECK (ip_version IN (4, 6)),
    http_version text CHECK (http_version IN ('1.1', '2')),
    is_insecure boolean NOT NULL DEFAULT false,
    is_uncompressed boolean NOT NULL DEFAULT false,
    assertions jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(assertions) = 'array'),
    is_everywhere boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz
);
CREATE INDEX monitors_account ON vantage.monitors (account_id, id);
COMMENT ON TABLE vantage.monitors IS 'What a customer has watched: a URL and how to judge it.';
COMMENT ON COLUMN vantage.monitors.id IS 'Identity, as in results.monitor_id.';
COMMENT ON COLUMN vantage.monitors.account_id IS 'Whose monitor it is.';
COMMENT ON COLUMN vantage.monitors.name IS 'As shown to people.';
COMMENT ON COLUMN vantage.monitors.url IS 'Absolute http or https URL.';
COMMENT ON COLUMN vantage.monitors.interval_s IS 'Seconds between two slots at one location.';
COMMENT ON COLUMN vantage.monitors.timeout_us IS 'Limit on one result, redirects included.';
COMMENT ON COLUMN vantage.monitors.slow_us IS
    'An up result whose total_us exceeds this is degraded. NULL: no limit.';
COMMENT ON COLUMN vantage.monitors.max_redirects IS
    'Redirects followed. 0: none; then a redirect''s own status is judged.';
COMMENT ON COLUMN vantage.monitors.method IS 'Method of the request.';
COMMENT ON COLUMN vantage.monitors.headers IS
    'Headers added to the request: [{"name": "Accept", "value": "text/html"}, ...]. Stored as they '
    'are, not encrypted; never sent to another origin than the URL''s.';
COMMENT ON COLUMN vantage.monitors.body IS
    'Body of the request. NULL: none. Never sent to another origin than the URL''s.';
COMMENT ON COLUMN vantage.monitors.ip_version IS
    'The only family that is looked up and connected to, 4 or 6. NULL: any.';
COMMENT ON COLUMN vantage.monitors.http_version IS
    '1.1 or 2, and no other is spoken. NULL: what server and agent agree on.';
COMMENT ON COLUMN vantage.monitors.is_insecure IS 'The server''s certificate is not verified.';
COMMENT ON COLUMN vantage.monitors.is_uncompressed IS 'No compressed body is asked for.';
COMMENT ON COLUMN vantage.monitors.assertions IS
    'What must be true of the response: [{"kind": "status", "expected": "200-299"}, ...]. By kind '
    'also "name", "at_least", "at_most"; "degrades": true makes a failing one degraded instead of '
    'down. Every kind is explained in docs/monitors.md. Without one of kind status, a final status '
    'outside 200 to 399 is down.';
COMMENT ON COLUMN vantage.monitors.is_everywhere IS
    'It is probed from every location, those added later included.';
COMMENT ON COLUMN vantage.monitors.created_at IS 'When the monitor was added.';
COMMENT ON COLUMN vantage.monitors.removed_at IS
    'When it was removed; its results stay. NULL: it is being measured.';

CREATE TABLE vantage.monitor_locations (
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    location text NOT NULL REFERENCES vantage.locations ON DELETE CASCADE,
    PRIMARY KEY (monitor_id, location)
);
COMMENT ON TABLE vantage.monitor_locations IS 'From which locations each monitor is probed.';
COMMENT ON COLUMN vantage.monitor_locations.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.monitor_locations.location IS 'A location that probes it.';

-- Agents ----------------------------------------------------------------------------------------

CREATE TABLE vantage.authorities (
    public_key_sha256 bytea PRIMARY KEY CHECK (length(public_key_sha256) = 32),
    certificate text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.authorities IS
    'Certificate authority of agents and collectors. Its private key is never in the database.';
COMMENT ON COLUMN vantage.authorities.public_key_sha256 IS
    'SHA-256 of its SubjectPublicKeyInfo (DER): the pin in an enrolment token.';
COMMENT ON COLUMN vantage.authorities.certificate IS 'PEM.';
COMMENT ON COLUMN vantage.authorities.created_at IS 'When it was made; the newest is in use.';

CREATE TABLE vantage.enrolment_tokens (
    secret_hash bytea PRIMARY KEY CHECK (length(secret_hash) = 32),
    location text NOT NULL REFERENCES vantage.locations ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    spent_at timestamptz
);
COMMENT ON TABLE vantage.enrolment_tokens IS 'One-time permissions to become an agent.';
COMMENT ON COLUMN vantage.enrolment_tokens.secret_hash IS 'SHA-256 of the secret.';
COMMENT ON COLUMN vantage.enrolment_tokens.location IS 'The one location it is good for.';
COMMENT ON COLUMN vantage.enrolment_tokens.created_at IS 'When it was issued.';
COMMENT ON COLUMN vantage.enrolment_tokens.expires_at IS 'From when on it is refused.';
COMMENT ON COLUMN vantage.enrolment_tokens.spent_at IS 'When an agent used it. NULL: not yet.';

CREATE TABLE vantage.agents (
    id uuid PRIMARY KEY,
    location text NOT NULL REFERENCES vantage.locations,
    name text NOT NULL,
    enrolled_at timestamptz NOT NULL DEFAULT now(),
    certificate_expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_seen_at timestamptz,
    version text,
    backlog bigint
);
CREATE INDEX agents_location ON vantage.agents (location);
COMMENT ON TABLE vantage.agents IS 'An enrolled agent process; one location may have several.';
COMMENT ON COLUMN vantage.agents.id IS 'Identity, as in its certificate and in results.agent_id.';
COMMENT ON COLUMN vantage.agents.location IS 'Where it probes from.';
COMMENT ON COLUMN vantage.agents.name IS 'What its machine called itself when it enrolled.';
COMMENT ON COLUMN vantage.agents.enrolled_at IS 'When it enrolled.';
COMMENT ON COLUMN vantage.agents.certificate_expires_at IS
    'End of validity of the newest certificate issued to it.';
COMMENT ON COLUMN vantage.agents.revoked_at IS 'When it was shut out. NULL: it is welcome.';
COMMENT ON COLUMN vantage.agents.last_seen_at IS
    'Its last heartbeat, by the database''s clock. NULL: it never connected.';
COMMENT ON COLUMN vantage.agents.version IS 'Its program''s version. NULL: it never connected.';
COMMENT ON COLUMN vantage.agents.backlog IS
    'Results waiting in its spool at its last heartbeat. NULL: it never connected.';

CREATE TABLE vantage.incarnations (
    agent_id uuid NOT NULL REFERENCES vantage.agents ON DELETE CASCADE,
    incarnation bytea NOT NULL CHECK (length(incarnation) = 16),
    high_water bigint NOT NULL DEFAULT 0 CHECK (high_water >= 0),
    connection bigint NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    PRIMARY KEY (agent_id, incarnation)
);
COMMENT ON TABLE vantage.incarnations IS
    'How far each start of an agent''s process has been stored; moved in the results'' own '
    'transaction, which is what makes storage exactly once.';
COMMENT ON COLUMN vantage.incarnations.agent_id IS 'The agent.';
COMMENT ON COLUMN vantage.incarnations.incarnation IS 'Random, new at every start of the process.';
COMMENT ON COLUMN vantage.incarnations.high_water IS
    'Sequence number of its last stored result; 0: none.';
COMMENT ON COLUMN vantage.incarnations.connection IS
    'Counts the connections that said hello for it; only the newest may store.';
COMMENT ON COLUMN vantage.incarnations.opened_at IS 'When it first said hello.';
COMMENT ON COLUMN vantage.incarnations.closed_at IS
    'When the agent said that it will never send again. NULL: it may.';

CREATE TABLE vantage.quarantine (
    agent_id uuid NOT NULL,
    incarnation bytea NOT NULL,
    seq bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (agent_id, incarnation, seq)
);
COMMENT ON TABLE vantage.quarantine IS 'Results that could not be stored as rows, as received.';
COMMENT ON COLUMN vantage.quarantine.agent_id IS 'Who sent it.';
COMMENT ON COLUMN vantage.quarantine.incarnation IS 'Its incarnation.';
COMMENT ON COLUMN vantage.quarantine.seq IS 'Its sequence number in that incarnation.';
COMMENT ON COLUMN vantage.quarantine.received_at IS 'When it was received.';
COMMENT ON COLUMN vantage.quarantine.reason IS 'Why it was refused, in words.';
COMMENT ON COLUMN vantage.quarantine.payload IS 'The encoded vantage.v1.Result.';

-- What was found --------------------------------------------------------------------------------

-- Columns are ordered by alignment: a row without TLS and redirects takes about 150 bytes.
CREATE TABLE vantage.results (
    slot_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    cert_expires_at timestamptz,
    body_bytes bigint NOT NULL,
    monitor_id integer NOT NULL,
    total_us integer NOT NULL CHECK (total_us >= 0),
    redirect_us integer NOT NULL CHECK (redirect_us >= 0),
    dns_us integer CHECK (dns_us >= 0),
    connect_us integer CHECK (connect_us >= 0),
    tls_us integer CHECK (tls_us >= 0),
    send_us integer CHECK (send_us >= 0),
    wait_us integer CHECK (wait_us >= 0),
    receive_us integer CHECK (receive_us >= 0),
    delay_us integer NOT NULL,
    lag_us integer NOT NULL,
    rtt_us integer,
    header_bytes integer NOT NULL,
    target_port integer NOT NULL,
    outcome vantage.outcome NOT NULL,
    agent_id uuid NOT NULL,
    http_status smallint,
    redirects smallint NOT NULL,
    suspect boolean NOT NULL,
    is_extra boolean NOT NULL DEFAULT false,
    location text NOT NULL,
    failure text,
    detail text,
    http_version text,
    url text,
    target_ip inet,
    local_ip inet,
    CONSTRAINT results_phases_sum CHECK (
        total_us = redirect_us + COALESCE(dns_us, 0) + COALESCE(connect_us, 0) + COALESCE(tls_us, 0)
            + COALESCE(send_us, 0) + COALESCE(wait_us, 0) + COALESCE(receive_us, 0)),
    CONSTRAINT results_failure_if_down CHECK ((failure IS NULL) = (outcome = 'up'))
);
SELECT create_hypertable(
    'vantage.results', 'slot_at', chunk_time_interval => INTERVAL '1 day',
    create_default_indexes => false);
CREATE INDEX results_monitor_location ON vantage.results (monitor_id, location, slot_at DESC);
COMMENT ON TABLE vantage.results IS
    'One row per slot that was run: a monitor probed once from a location. '
    'redirect_us + dns_us + connect_us + tls_us + send_us + wait_us + receive_us = total_us, '
    'exactly; a NULL phase was not reached or does not apply, 0 is a measured zero.';
COMMENT ON COLUMN vantage.results.slot_at IS 'When the probe was due.';
COMMENT ON COLUMN vantage.results.started_at IS 'When it began, by the agent''s clock.';
COMMENT ON COLUMN vantage.results.received_at IS 'When it was stored, by the database''s clock.';
COMMENT ON COLUMN vantage.results.cert_expires_at IS
    'End of validity of the server''s certificate, also of one that was refused. NULL: none seen.';
COMMENT ON COLUMN vantage.results.body_bytes IS 'Body received, before decompression.';
COMMENT ON COLUMN vantage.results.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.results.total_us IS
    'The whole measurement: until the last byte, or until it failed.';
COMMENT ON COLUMN vantage.results.redirect_us IS
    'Everything before the last exchange; 0: no redirect was followed.';
COMMENT ON COLUMN vantage.results.dns_us IS
    'Resolving the host name. NULL: not reached, or the URL holds an address.';
COMMENT ON COLUMN vantage.results.connect_us IS 'TCP connection. NULL: not reached.';
COMMENT ON COLUMN vantage.results.tls_us IS 'TLS handshake. NULL: not reached, or plain http.';
COMMENT ON COLUMN vantage.results.send_us IS 'Sending the request. NULL: not reached.';
COMMENT ON COLUMN vantage.results.wait_us IS
    'From the request''s last byte to the response''s first. NULL: not reached.';
COMMENT ON COLUMN vantage.results.receive_us IS
    'From the response''s first byte to its last. NULL: not reached.';
COMMENT ON COLUMN vantage.results.delay_us IS
    'How late the probe began against its slot; outside total_us.';
COMMENT ON COLUMN vantage.results.lag_us IS
    'Longest time the agent''s probing loop was seen blocked during the probe.';
COMMENT ON COLUMN vantage.results.rtt_us IS
    'The kernel''s TCP round trip time when the connection opened. NULL: never connected.';
COMMENT ON COLUMN vantage.results.header_bytes IS 'Response headers received, last exchange.';
COMMENT ON COLUMN vantage.results.target_port IS 'TCP port of the last exchange.';
COMMENT ON COLUMN vantage.results.outcome IS 'up, degraded or down.';
COMMENT ON COLUMN vantage.results.agent_id IS 'vantage.agents.id.';
COMMENT ON COLUMN vantage.results.http_status IS 'Of the last exchange. NULL: no response.';
COMMENT ON COLUMN vantage.results.redirects IS
    'Redirects followed; their exchanges are in vantage.exchanges.';
COMMENT ON COLUMN vantage.results.suspect IS
    'The agent was too busy for the numbers to be trusted; never pages anyone.';
COMMENT ON COLUMN vantage.results.is_extra IS
    'A person asked for it, outside the schedule: slot_at is when. Counts for no availability.';
COMMENT ON COLUMN vantage.results.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.results.failure IS
    'Why it is down or degraded, a code of docs/failures.md. NULL: up.';
COMMENT ON COLUMN vantage.results.detail IS
    'The failure in libcurl''s or the resolver''s own words, or what was expected and found. '
    'NULL: nothing to add.';
COMMENT ON COLUMN vantage.results.http_version IS '1.0, 1.1, 2 or 3. NULL: no response.';
COMMENT ON COLUMN vantage.results.url IS
    'Where the redirects ended. NULL: none was followed, it is the monitor''s URL.';
COMMENT ON COLUMN vantage.results.target_ip IS 'Address connected to or tried. NULL: none.';
COMMENT ON COLUMN vantage.results.local_ip IS 'The agent''s address. NULL: never connected.';

CREATE TABLE vantage.exchanges (
    slot_at timestamptz NOT NULL,
    body_bytes bigint NOT NULL,
    monitor_id integer NOT NULL,
    total_us integer NOT NULL CHECK (total_us >= 0),
    dns_us integer CHECK (dns_us >= 0),
    connect_us integer CHECK (connect_us >= 0),
    tls_us integer CHECK (tls_us >= 0),
    send_us integer CHECK (send_us >= 0),
    wait_us integer CHECK (wait_us >= 0),
    receive_us integer CHECK (receive_us >= 0),
    rtt_us integer,
    header_bytes integer NOT NULL,
    target_port integer NOT NULL,
    http_status smallint,
    hop smallint NOT NULL,
    location text NOT NULL,
    url text NOT NULL,
    http_version text,
    target_ip inet,
    local_ip inet,
    CONSTRAINT exchanges_phases_sum CHECK (
        total_us = COALESCE(dns_us, 0) + COALESCE(connect_us, 0) + COALESCE(tls_us, 0)
            + COALESCE(send_us, 0) + COALESCE(wait_us, 0) + COALESCE(receive_us, 0))
);
SELECT create_hypertable(
    'vantage.exchanges', 'slot_at', chunk_time_interval => INTERVAL '1 day',
    create_default_indexes => false);
CREATE INDEX exchanges_monitor_location
    ON vantage.exchanges (monitor_id, location, slot_at DESC, hop);
COMMENT ON TABLE vantage.exchanges IS
    'The redirects of a result, one row per hop before the last exchange, which is the row in '
    'vantage.results itself.';
COMMENT ON COLUMN vantage.exchanges.slot_at IS 'The result''s slot.';
COMMENT ON COLUMN vantage.exchanges.body_bytes IS 'Body received, before decompression.';
COMMENT ON COLUMN vantage.exchanges.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.exchanges.total_us IS 'This exchange alone.';
COMMENT ON COLUMN vantage.exchanges.dns_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.connect_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.tls_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.send_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.wait_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.receive_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.rtt_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.exchanges.header_bytes IS 'Response headers received.';
COMMENT ON COLUMN vantage.exchanges.target_port IS 'TCP port.';
COMMENT ON COLUMN vantage.exchanges.http_status IS 'The redirect''s status.';
COMMENT ON COLUMN vantage.exchanges.hop IS '1 for the URL as configured, then 2, 3, ...';
COMMENT ON COLUMN vantage.exchanges.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.exchanges.url IS 'What was requested.';
COMMENT ON COLUMN vantage.exchanges.http_version IS '1.0, 1.1, 2 or 3.';
COMMENT ON COLUMN vantage.exchanges.target_ip IS 'Address connected to.';
COMMENT ON COLUMN vantage.exchanges.local_ip IS 'The agent''s address.';

-- Changes of what is to be measured reach the collectors at once.
CREATE FUNCTION vantage.notify_assignments() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY vantage_assignments;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.notify_assignments IS
    'Trigger: wakes the collectors, which send every agent its assignments.';
CREATE TRIGGER monitors_changed AFTER INSERT OR UPDATE OR DELETE ON vantage.monitors
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_assignments();
CREATE TRIGGER monitor_locations_changed AFTER INSERT OR UPDATE OR DELETE ON vantage.monitor_locations
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_assignments();
CREATE TRIGGER agents_changed AFTER INSERT OR DELETE OR UPDATE OF revoked_at ON vantage.agents
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_assignments();

-- Row-level security on the configuration that belongs to an account. Hypertables cannot have it;
-- the report centre reads them through the views of sql/views only.
ALTER TABLE vantage.monitors ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitors FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_locations ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_locations FORCE ROW LEVEL SECURITY;
