-- What is set about the way to a server, and the secrets of a monitor, as the report centre sets them.
-- The lines are those of collector/terms.py; a test holds them together.

CREATE OR REPLACE FUNCTION vantage.is_address(given text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN given !~ '/' AND given::inet IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION vantage.is_address IS 'Whether a text is an IPv4 or IPv6 address.';

CREATE OR REPLACE FUNCTION vantage.name_server_of(given text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT format(CASE family(host::inet) WHEN 6 THEN '[%s]:%s' ELSE '%s:%s' END, host(host::inet), port)
    FROM (SELECT regexp_match(given, '^(?:\[(.+)\]|([^:]+)):([0-9]{1,5})$')) AS matched (parts)
    CROSS JOIN LATERAL (
        SELECT COALESCE(parts[1], parts[2], given), COALESCE(parts[3], '53')::integer
    ) AS named (host, port)
    WHERE vantage.is_address(host) AND port BETWEEN 1 AND 65535
$$;
COMMENT ON FUNCTION vantage.name_server_of IS
    'A name server''s address:port as agents read it. NULL: the text is no address.';

CREATE OR REPLACE FUNCTION vantage.terms_problem(given vantage.monitors, secrets text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN NOT (is_http OR is_websocket)
            AND EXISTS (SELECT FROM unnest(secrets) AS name WHERE name NOT IN ('client key', 'proxy password')) THEN
            scheme || ' has no use for an authorization or secret header'
        WHEN NOT (is_http OR vantage.is_encrypted(scheme))
            AND (given.client_certificate IS NOT NULL OR has_key) THEN
            scheme || ' has no use for a client certificate'
        WHEN NOT (is_http OR vantage.is_encrypted(scheme)) AND given.authority IS NOT NULL THEN
            scheme || ' has no use for an authority to trust'
        WHEN NOT is_http AND (given.proxy IS NOT NULL OR has_login) THEN
            scheme || ' has no use for a proxy'
        WHEN NOT (is_http OR is_websocket) AND given.phase_timeouts <> '{}' THEN
            scheme || ' has no use for the timeout of a phase'
        WHEN (given.client_certificate IS NULL) = has_key THEN
            'a client certificate and its key go together'
        WHEN substring(given.proxy FROM '[0-9]{1,9}$')::integer NOT BETWEEN 1 AND 65535 THEN
            'ports lie between 1 and 65535, and so does its proxy''s'
        WHEN has_login AND given.proxy IS NULL THEN 'there is a password for a proxy and no proxy'
        WHEN given.url ~ '^[^:]+://(\[|\d+\.\d+\.\d+\.\d+([:/?#]|$))'
            AND (given.connect_to IS NOT NULL OR given.name_server IS NOT NULL) THEN
            'it names an address: there is nothing to look up'
        WHEN given.connect_to IS NOT NULL
            AND (given.proxy IS NOT NULL OR given.name_server IS NOT NULL) THEN
            'the address to connect to settles what is connected to: no proxy, no name server'
        ELSE (
            SELECT CASE
                WHEN phase NOT IN ('dns', 'connect', 'tls', 'send', 'wait', 'receive') THEN
                    format('“%s” is no phase', left(phase, 80))
                WHEN limit_us < 1000 THEN format('the timeout of %s is below 1 ms', phase)
                ELSE format('the timeout of %s, %s ms, is longer than the whole may take', phase,
                    trim_scale(limit_us / 1000.0))
            END
            FROM jsonb_each_text(given.phase_timeouts) AS one (phase, value)
            CROSS JOIN LATERAL (SELECT value::numeric) AS read (limit_us)
            WHERE phase NOT IN ('dns', 'connect', 'tls', 'send', 'wait', 'receive')
                OR limit_us NOT BETWEEN 1000 AND given.timeout_us
            LIMIT 1)
    END
    FROM (SELECT
        lower(split_part(given.url, ':', 1)),
        'client key' = ANY (secrets),
        'proxy password' = ANY (secrets)) AS said (scheme, has_key, has_login)
    CROSS JOIN LATERAL (SELECT scheme IN ('http', 'https'), scheme IN ('ws', 'wss'))
        AS schemes (is_http, is_websocket)
$$;
COMMENT ON FUNCTION vantage.terms_problem IS
    'Why no agent could keep these terms, with secrets of these names. NULL: nothing is wrong; '
    'whether certificates and keys are any, the report centre has looked.';

CREATE OR REPLACE FUNCTION vantage.set_terms(given_id integer, given jsonb)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    asked CONSTANT text := vantage.name_server_of(given ->> 'name_server');
BEGIN
    IF NOT vantage.is_address(given ->> 'connect_to') THEN
        RAISE EXCEPTION '“%” is no address to connect to; write it like 192.0.2.7 or 2001:db8::7.',
            left(given ->> 'connect_to', 80) USING ERRCODE = 'VA400';
    ELSIF given ->> 'name_server' IS NOT NULL AND asked IS NULL THEN
        RAISE EXCEPTION '“%” is no address of a name server; write it like 192.0.2.53 or '
            '[2001:db8::53]:53.', left(given ->> 'name_server', 80) USING ERRCODE = 'VA400';
    ELSIF given ->> 'proxy' !~ '^(http|https|socks5h)://[^/?#@[:space:]]+:[0-9]{1,5}$' THEN
        RAISE EXCEPTION 'The proxy must be written scheme://host:port, the scheme one of http, https, '
            'socks5h, without a user name.' USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.monitors
    SET
        client_certificate = given ->> 'client_certificate',
        authority = given ->> 'authority',
        proxy = given ->> 'proxy',
        connect_to = (given ->> 'connect_to')::inet,
        name_server = asked,
        phase_timeouts = given -> 'phase_timeouts'
    WHERE id = given_id;
END
$$;
COMMENT ON FUNCTION vantage.set_terms IS
    'Sets the terms of a monitor: columns of vantage.monitors by their names. Raises VA400 for what '
    'the columns could not hold.';

CREATE OR REPLACE FUNCTION vantage.kept_secrets(given_id integer, given_anew text[])
RETURNS text[]
LANGUAGE sql STABLE
AS $$
    SELECT COALESCE(array_agg(name ORDER BY name), '{}')
    FROM vantage.secrets
    WHERE monitor_id = given_id
        AND lower(name) <> ALL (SELECT lower(anew) FROM unnest(given_anew) AS anew)
$$;
COMMENT ON FUNCTION vantage.kept_secrets IS
    'Which of a monitor''s secrets are to stay, where these are given anew or removed.';

CREATE OR REPLACE FUNCTION vantage.require_secrets(given_id integer, kept text[])
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    lost CONSTANT text[] := ARRAY(
        SELECT unnest(kept) EXCEPT
        SELECT name FROM vantage.secrets WHERE monitor_id = given_id ORDER BY 1);
BEGIN
    IF lost <> '{}' THEN
        RAISE EXCEPTION 'The monitor would lead elsewhere, and its secrets (%) do not go along. Give '
            'them anew with it, or remove them.', array_to_string(lost, ', ') USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.require_secrets IS
    'Raises VA400 unless these secrets are there still: vantage.forget_secrets takes them away from '
    'a monitor that leads elsewhere.';

CREATE OR REPLACE FUNCTION vantage.set_secrets(given_id integer, given jsonb)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    whose CONSTANT text := (SELECT monitors.name FROM vantage.monitors WHERE id = given_id);
    given_name text;
    value jsonb;
    why text;
BEGIN
    FOR given_name, value IN SELECT * FROM jsonb_each(given) LOOP
        DELETE FROM vantage.secrets
        WHERE monitor_id = given_id AND lower(name) = lower(given_name);
        IF value = 'null' AND NOT FOUND THEN
            CONTINUE;
        ELSIF value <> 'null' THEN
            IF given_name NOT IN ('client key', 'proxy password') THEN
                why := vantage.header_problem(given_name, '');
            END IF;
            IF why IS NOT NULL THEN
                RAISE EXCEPTION 'A secret cannot be set: %.', why USING ERRCODE = 'VA400';
            ELSIF length(value ->> 'sealed') > 100000 THEN
                RAISE EXCEPTION 'The secret % is too long.', given_name USING ERRCODE = 'VA400';
            END IF;
            INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed)
            VALUES (given_id, given_name, value ->> 'key_id', decode(value ->> 'sealed', 'base64'));
        END IF;
        PERFORM vantage.record(
            CASE WHEN value = 'null' THEN 'secret_removed' ELSE 'secret_set' END,
            format('%s of %s', given_name, whose));
    END LOOP;
    IF (SELECT count(*) > 50 FROM vantage.secrets WHERE monitor_id = given_id) THEN
        RAISE EXCEPTION 'A monitor may have 50 secrets.' USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.set_secrets IS
    'Sets a monitor''s secrets, by name: {"key_id": ..., "sealed": base64}, or null to remove one. '
    'Those that are not named stay. The audit log learns the names.';

CREATE OR REPLACE VIEW report.secrets WITH (security_barrier) AS
SELECT
    secrets.monitor_id,
    secrets.name,
    secrets.set_at
FROM vantage.secrets
JOIN vantage.monitors ON monitors.id = secrets.monitor_id
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON VIEW report.secrets IS
    'Which secrets the account''s monitors have; what they are, nobody here can read.';
COMMENT ON COLUMN report.secrets.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.secrets.name IS
    'The name of a header, "client key" or "proxy password".';
COMMENT ON COLUMN report.secrets.set_at IS 'When a person last set it.';
