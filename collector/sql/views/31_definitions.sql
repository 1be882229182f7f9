-- What a monitor asks of a server and expects of the answer, as the report centre sets it. The lines
-- are those of collector/request.py, assertion.py and applicable.py; a test holds them together.

CREATE OR REPLACE FUNCTION vantage.is_encrypted(scheme text)
RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT scheme IN ('https', 'wss', 'tls', 'smtps', 'imaps', 'pop3s', 'ftps', 'mqtts')
$$;
COMMENT ON FUNCTION vantage.is_encrypted IS 'Whether this URL scheme is spoken over TLS.';

CREATE OR REPLACE FUNCTION vantage.phases_of(scheme text)
RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN scheme IN ('dns', 'icmp') THEN ARRAY['dns', 'wait']
        ELSE ARRAY['dns', 'connect']
            || CASE WHEN vantage.is_encrypted(scheme) THEN ARRAY['tls'] ELSE '{}' END
            || CASE WHEN scheme ~ '^(https?|wss?|mqtts?)$' THEN ARRAY['send'] ELSE '{}' END
            || CASE WHEN scheme IN ('tcp', 'tls') THEN '{}' ELSE ARRAY['wait', 'receive'] END
    END
$$;
COMMENT ON FUNCTION vantage.phases_of IS
    'The phases that an exchange of this URL scheme can have, in their order.';

CREATE OR REPLACE FUNCTION vantage.expectations_of(scheme text)
RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT ARRAY['limit', 'network']
        || CASE WHEN scheme ~ '^https?$' THEN
            ARRAY['status', 'json_equals', 'size', 'url', 'http_version'] ELSE '{}' END
        || CASE WHEN scheme ~ '^(https?|wss?)$' THEN
            ARRAY['header_present', 'header_equals', 'header_matches'] ELSE '{}' END
        || CASE WHEN scheme ~ '^(wss?|tcp|tls|icmp)$' THEN '{}'
            ELSE ARRAY['body_contains', 'body_matches'] END
        -- A redirect may lead from http to https.
        || CASE WHEN scheme = 'http' OR vantage.is_encrypted(scheme) THEN ARRAY['cert_days']
            ELSE '{}' END
        || CASE WHEN scheme = 'icmp' THEN ARRAY['loss'] ELSE '{}' END
$$;
COMMENT ON FUNCTION vantage.expectations_of IS
    'The kinds of assertion that make sense for this URL scheme.';

CREATE OR REPLACE FUNCTION vantage.header_problem(name text, value text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN COALESCE(name, '') !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$' THEN
            format('“%s” is no header name; write “Name: value”', left(name, 80))
        WHEN lower(name) IN
            ('connection', 'content-length', 'transfer-encoding', 'expect', 'upgrade', 'te') THEN
            format('the header %s cannot be set; it follows from the request', name)
        WHEN value ~ '[\x01-\x08\x0a-\x1f\x7f]' THEN
            format('the value of the header %s holds what cannot be sent', name)
        WHEN length(value) > 4096 THEN format('the header %s has %s characters; the limit is 4096',
            name, length(value))
    END
$$;
COMMENT ON FUNCTION vantage.header_problem IS 'Why this header cannot be sent. NULL: it can.';

CREATE OR REPLACE FUNCTION vantage.is_json(given text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    RETURN given::json IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION vantage.is_json IS 'Whether a text is JSON.';

CREATE OR REPLACE FUNCTION vantage.is_network(given text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
    -- It reads 10.1 as well, which agents do not.
    RETURN given::cidr IS NOT NULL AND given ~ '^(\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(/\d+)?$';
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION vantage.is_network IS 'Whether a text is an IP network without host bits.';

CREATE OR REPLACE FUNCTION vantage.assertion_problem(given jsonb, scheme text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    kind CONSTANT text := given ->> 'kind';
    name CONSTANT text := given ->> 'name';
    expected CONSTANT text := given ->> 'expected';
    statuses CONSTANT text := '\s*[1-9]\d\d\s*(-\s*[1-9]\d\d\s*)?';
    header CONSTANT text := '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$';
    needed text[];
    field text;
BEGIN
    needed := CASE
        WHEN kind IN ('status', 'body_contains', 'body_matches', 'url', 'network', 'http_version')
            THEN '{expected}'
        WHEN kind = 'header_present' THEN '{name}'
        WHEN kind IN ('header_equals', 'header_matches', 'json_equals') THEN '{name,expected}'
        WHEN kind = 'size' THEN '{}'
        WHEN kind = 'cert_days' THEN '{at_least}'
        WHEN kind = 'limit' THEN '{name,at_most}'
        WHEN kind = 'loss' THEN '{at_most}'
    END;
    IF needed IS NULL THEN
        RETURN format('“%s” is no kind of expectation', left(kind, 80));
    ELSIF kind <> ALL (vantage.expectations_of(scheme)) THEN
        RETURN format('an expectation of kind %s makes no sense for %s', kind, scheme);
    END IF;
    FOR field IN SELECT jsonb_object_keys(given) LOOP
        IF field NOT IN ('kind', 'degrades') AND field <> ALL (needed)
            AND NOT (kind = 'size' AND field IN ('at_least', 'at_most')) THEN
            RETURN format('an expectation of kind %s has no “%s”', kind, left(field, 80));
        ELSIF field IN ('name', 'expected') AND (jsonb_typeof(given -> field) <> 'string'
            OR length(given ->> field) NOT BETWEEN 1 AND 1000) THEN
            RETURN format('“%s” of an expectation of kind %s is a text of 1 to 1000 characters', field, kind);
        ELSIF field IN ('at_least', 'at_most') AND (jsonb_typeof(given -> field) <> 'number'
            OR given ->> field !~ '^\d{1,15}$') THEN
            RETURN format('“%s” of an expectation of kind %s is a whole number', field, kind);
        ELSIF field = 'degrades' AND jsonb_typeof(given -> field) <> 'boolean' THEN
            RETURN format('“degrades” of an expectation of kind %s is true or false', kind);
        END IF;
    END LOOP;
    FOREACH field IN ARRAY needed LOOP
        IF NOT given ? field THEN
            RETURN format('an expectation of kind %s needs “%s”', kind, field);
        END IF;
    END LOOP;
    RETURN CASE
        WHEN kind = 'status' AND expected !~ format('^%s(,%s)*$', statuses, statuses) THEN
            format('“%s” is no set of HTTP statuses, such as 200-299,304', left(expected, 80))
        WHEN kind ~ '^header_' AND name !~ header THEN
            format('“%s” is no header name, such as Content-Type', left(name, 80))
        WHEN kind = 'json_equals' AND name !~ (
            '^\$(\.[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*'
            '|\[\s*(0|-?[1-9][0-9]{0,8})\s*\]'
            '|\[\s*''([^''\\]|\\[''\\])*''\s*\]|\[\s*"([^"\\]|\\["\\])*"\s*\])*$') THEN
            format('“%s” is no path to one JSON value, such as $.items[0].name', left(name, 80))
        WHEN kind = 'json_equals' AND NOT vantage.is_json(expected) THEN
            format('“%s” is not JSON', left(expected, 80))
        WHEN kind = 'limit' AND name <> ALL (ARRAY['total'] || vantage.phases_of(scheme)
            || CASE WHEN scheme ~ '^https?$' THEN ARRAY['redirect'] ELSE '{}' END) THEN
            format('%s has no phase “%s” that could be limited', scheme, left(name, 80))
        WHEN kind = 'size' AND NOT given ?| '{at_least,at_most}' THEN
            'an expectation of kind size needs “at_least” or “at_most”'
        WHEN kind = 'size' AND (given ->> 'at_least')::numeric > (given ->> 'at_most')::numeric THEN
            format('no body can have at least %s and at most %s bytes', given ->> 'at_least',
                given ->> 'at_most')
        WHEN kind = 'url' AND expected !~ '^https?://[^\s/]\S*$' THEN
            format('“%s” does not begin with http:// or https:// and a host', left(expected, 80))
        WHEN kind = 'network' AND NOT vantage.is_network(expected) THEN
            format('“%s” is no network such as 192.0.2.0/24 or 2001:db8::/32', left(expected, 80))
        WHEN kind = 'http_version' AND expected NOT IN ('1.0', '1.1', '2', '3') THEN
            format('“%s” is none of HTTP''s versions 1.0, 1.1, 2, 3', left(expected, 80))
    END;
END
$$;
COMMENT ON FUNCTION vantage.assertion_problem IS
    'Why no agent could judge this assertion of an answer to this URL scheme. NULL: nothing is '
    'wrong; whether it is a regular expression of RE2''s, the report centre has looked.';

-- The form it had before it looked at secrets.
DROP FUNCTION IF EXISTS vantage.definition_problem(vantage.monitors);

CREATE OR REPLACE FUNCTION vantage.definition_problem(given vantage.monitors, secrets text[])
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    scheme CONSTANT text := lower(split_part(given.url, ':', 1));
    is_http CONSTANT boolean := scheme IN ('http', 'https');
    found text;
BEGIN
    found := CASE
        WHEN NOT is_http AND (given.method <> 'GET' OR given.body IS NOT NULL
            OR given.http_version IS NOT NULL OR given.is_uncompressed) THEN
            scheme || ' has no use for a method, a body, an HTTP version or compression'
        WHEN scheme NOT IN ('http', 'https', 'ws', 'wss') AND given.headers <> '[]' THEN
            scheme || ' has no use for headers'
        WHEN given.is_insecure AND NOT is_http AND NOT vantage.is_encrypted(scheme) THEN
            scheme || ' shows no certificate that could be left unverified'
        WHEN given.http_version = '3' AND (scheme <> 'https' OR given.proxy IS NOT NULL) THEN
            'HTTP/3 is spoken over TLS only, and through no proxy'
        WHEN given.body IS NOT NULL AND given.method = 'HEAD' THEN 'a HEAD request has no body'
        WHEN given.is_paired AND (given.connect_to IS NOT NULL
            OR given.url ~ '^[^:]+://(\[|\d+\.\d+\.\d+\.\d+([:/?#]|$))') THEN
            'it is connected to one address, which has one family'
        WHEN jsonb_array_length(given.headers) > 50 THEN 'it has more than 50 headers'
        WHEN jsonb_array_length(given.assertions) > 50 THEN 'it has more than 50 expectations'
    END;
    RETURN COALESCE(found, (
        SELECT vantage.header_problem(header ->> 'name', header ->> 'value')
        FROM jsonb_array_elements(given.headers) AS header
        WHERE vantage.header_problem(header ->> 'name', header ->> 'value') IS NOT NULL
        LIMIT 1
    ), (
        SELECT vantage.assertion_problem(assertion, scheme)
        FROM jsonb_array_elements(given.assertions) AS assertion
        WHERE vantage.assertion_problem(assertion, scheme) IS NOT NULL
        LIMIT 1
    ), vantage.terms_problem(given, secrets));
END
$$;
COMMENT ON FUNCTION vantage.definition_problem IS
    'Why no agent could ask, or judge, what this monitor says, with secrets of these names. NULL: '
    'nothing is wrong.';

-- The form it had before it knew terms and secrets.
DROP FUNCTION IF EXISTS report.define_monitor(integer, jsonb, jsonb);

CREATE OR REPLACE FUNCTION report.define_monitor(
    given_id integer, given_request jsonb, given_assertions jsonb, given_terms jsonb DEFAULT NULL,
    given_secrets jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    kept CONSTANT text[] := vantage.kept_secrets(
        given_id, ARRAY(SELECT jsonb_object_keys(COALESCE(given_secrets, '{}'))));
    before vantage.monitors;
    defined vantage.monitors;
    why text;
BEGIN
    SELECT * INTO before
    FROM vantage.monitors
    WHERE id = given_id AND account_id = own_id AND removed_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
    IF given_request IS NOT NULL THEN
        UPDATE vantage.monitors
        SET
            method = given_request ->> 'method',
            headers = given_request -> 'headers',
            body = CASE
                -- A form cannot show it, so it could not have sent it back.
                WHEN given_request ->> 'body' IS NULL AND vantage.as_text(body) IS NULL THEN body
                ELSE convert_to(NULLIF(given_request ->> 'body', ''), 'UTF8')
            END,
            ip_version = (given_request ->> 'ip_version')::smallint,
            is_paired = (given_request ->> 'is_paired')::boolean,
            http_version = given_request ->> 'http_version',
            is_insecure = (given_request ->> 'is_insecure')::boolean,
            is_uncompressed = (given_request ->> 'is_uncompressed')::boolean,
            max_redirects = (given_request ->> 'max_redirects')::smallint
        WHERE id = given_id;
    END IF;
    IF given_terms IS NOT NULL THEN
        PERFORM vantage.set_terms(given_id, given_terms);
    END IF;
    UPDATE vantage.monitors
    SET assertions = COALESCE(given_assertions, assertions)
    WHERE id = given_id
    RETURNING * INTO defined;
    PERFORM vantage.require_secrets(given_id, kept);
    IF 'client key' = ANY (kept)
        AND defined.client_certificate IS DISTINCT FROM before.client_certificate THEN
        RAISE EXCEPTION 'Another client certificate takes its key with it: give both.'
            USING ERRCODE = 'VA400';
    END IF;
    PERFORM vantage.set_secrets(given_id, given_secrets);
    PERFORM vantage.check_kind(defined.kind, defined.url, given_id);
    why := vantage.definition_problem(defined, vantage.kept_secrets(given_id, '{}'));
    IF why IS NOT NULL THEN
        RAISE EXCEPTION '“%” cannot be watched like this: %.', left(defined.url, 200), why
            USING ERRCODE = 'VA400';
    END IF;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'A whole page is fetched with GET and without a body; a body has up to 64 KiB.'
        USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.define_monitor IS
    'Says what the account''s monitor asks, on which terms (the columns of vantage.monitors by their '
    'names, as report.monitors has them), what it expects of the answer '
    '(vantage.monitors.assertions), and which secrets it has (vantage.set_secrets). NULL: as it was. '
    'Raises VA400, saying why, also for what was asked before and the monitor''s address has no use '
    'for, and where the monitor leads elsewhere and has secrets that are not given anew.';
