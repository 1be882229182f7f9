-- Changing what is watched, by an editor or an owner. Errors as in 20_people.sql.

CREATE OR REPLACE FUNCTION vantage.url_problem(given_url text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN length(given_url) > 2048 THEN 'it is longer than 2048 characters'
        WHEN given_url ~ '[[:space:][:cntrl:]]' THEN
            'it holds white space or a control character'
        WHEN given_url !~ '^[A-Za-z][A-Za-z0-9+.-]*://' THEN
            'it begins with no scheme, such as https://'
        WHEN authority ~ '@' THEN 'it holds a user name, which would be shown to everybody'
        WHEN parts IS NULL OR parts[1] = '' THEN 'it names no host'
        WHEN parts[1] ~ '^[ -Z\\^-~]+$' AND (length(host) > 253 OR host !~*
            '^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$')
            THEN 'its host is no valid host name'
        WHEN host ~* '(^|\.)([0-9]+|0x[0-9a-f]*)$' AND host !~ (
            '^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}'
            '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$') THEN
            'its host is no IPv4 address; write it as four numbers, such as 192.0.2.1'
        WHEN given_url ~* '^(tcp|tls)://' AND COALESCE(parts[2], ':') = ':' THEN
            'it names no port; write it like tcp://shop.example:5432'
        WHEN given_url ~* '^icmp://' AND NULLIF(parts[2], ':') IS NOT NULL THEN
            'it names a port, and icmp has none'
        WHEN parts[2] !~ '^:[0-9]{0,9}$' THEN 'its port is no number'
        WHEN NULLIF(parts[2], ':') IS NOT NULL
            AND substring(parts[2] FROM 2)::integer NOT BETWEEN 1 AND 65535 THEN
            'ports lie between 1 and 65535'
        WHEN given_url ~* '^dns://' AND given_url !~* (
            '^dns://[^/?#]+/[^/?#]+(\?type=(A|AAAA|CAA|CNAME|DNSKEY|DS|HTTPS|MX|NAPTR'
            '|NS|PTR|SOA|SRV|SVCB|TLSA|TXT))?$') THEN
            'it asks nothing; write it like dns://192.0.2.53/shop.example?type=MX'
        WHEN given_url !~* '^(https?|wss?|dns)://'
            AND given_url ~ '^[^:]+://[^/?#]*(/[^/?#]|//|/?\?[^#])' THEN
            'it has a path, which its scheme has no use for'
    END
    FROM (SELECT substring(given_url FROM '^[^:]+://([^/?#]*)')) AS split (authority)
    CROSS JOIN LATERAL (SELECT regexp_match(
        authority, '^(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(:.*)?$')) AS host_and_port (parts)
    CROSS JOIN LATERAL (SELECT regexp_replace(parts[1], '\.$', '')) AS named (host)
$$;
COMMENT ON FUNCTION vantage.url_problem IS
    'Why no agent could probe this address. NULL: nothing is wrong with its form; which schemes '
    'there are is the business of vantage.monitors.';

CREATE OR REPLACE FUNCTION vantage.check_monitor(
    given_url text, given_interval_s integer, given_timeout_us integer, given_slow_us integer)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    why text := vantage.url_problem(given_url);
BEGIN
    IF why IS NOT NULL THEN
        RAISE EXCEPTION '“%” cannot be watched: %.',
            left(regexp_replace(given_url, '//[^/?#]*@', '//…@'), 200), why
            USING ERRCODE = 'VA400';
    ELSIF given_interval_s NOT BETWEEN 1 AND 86400 THEN
        RAISE EXCEPTION 'The interval is % s: 1 s to 24 h can be.', given_interval_s
            USING ERRCODE = 'VA400';
    ELSIF given_timeout_us NOT BETWEEN 100000 AND 60000000 THEN
        RAISE EXCEPTION 'The timeout is % s: 0.1 s to 60 s can be.',
            trim_scale(given_timeout_us / 1000000.0) USING ERRCODE = 'VA400';
    ELSIF given_slow_us NOT BETWEEN 1 AND given_timeout_us THEN
        RAISE EXCEPTION 'The limit for slowness is % ms: more than 0 and at most the timeout '
            '(% ms) can be.', trim_scale(given_slow_us / 1000.0),
            trim_scale(given_timeout_us / 1000.0) USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_monitor IS
    'Raises VA400, saying why, for what cannot be watched. A slow_us of NULL: no limit.';

CREATE OR REPLACE FUNCTION vantage.place_monitor(given_id integer, given_locations text[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    unknown text;
BEGIN
    SELECT wanted INTO unknown
    FROM unnest(given_locations) AS wanted
    WHERE wanted NOT IN (SELECT name FROM vantage.locations)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'There is no location “%”.', left(unknown, 100) USING ERRCODE = 'VA400';
    END IF;
    DELETE FROM vantage.monitor_locations
    WHERE monitor_id = given_id AND location <> ALL (given_locations);
    INSERT INTO vantage.monitor_locations (monitor_id, location)
    SELECT given_id, name
    FROM vantage.locations
    WHERE given_locations IS NULL OR name = ANY (given_locations)
    ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION vantage.place_monitor IS
    'Has a monitor probed from these locations. NULL: from all there are.';

CREATE OR REPLACE FUNCTION vantage.check_kind(given_kind text, given_url text, given_id integer)
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF given_kind NOT IN ('request', 'page') THEN
        RAISE EXCEPTION '“%” is no kind of monitor: request or page.', left(given_kind, 100)
            USING ERRCODE = 'VA400';
    ELSIF given_kind = 'page' AND given_url !~* '^https?://' THEN
        RAISE EXCEPTION 'A whole page has an http or https address; “%” can be watched as a '
            'request.', left(given_url, 200) USING ERRCODE = 'VA400';
    ELSIF given_kind = 'page' AND EXISTS (
        SELECT FROM vantage.monitors
        WHERE id = given_id
            AND (method <> 'GET' OR body IS NOT NULL OR is_paired OR phase_timeouts <> '{}')
    ) THEN
        RAISE EXCEPTION 'A whole page is fetched with GET, over one IP family and without timeouts '
            'of phases; this monitor is defined otherwise. Watch the page with a monitor of its own.'
            USING ERRCODE = 'VA400';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.check_kind IS
    'Raises VA400, saying why, where a URL cannot be watched as this kind: request or page. NULL as '
    'the monitor''s id: it is a new one.';

-- The forms they had before there were kinds, and before secrets could be given anew.
DROP FUNCTION IF EXISTS report.add_monitor(text, text, integer, integer, integer, text[]);
DROP FUNCTION IF EXISTS report.change_monitor(
    integer, text, text, integer, integer, integer, text[]);
DROP FUNCTION IF EXISTS report.change_monitor(
    integer, text, text, integer, integer, integer, text[], text);

CREATE OR REPLACE FUNCTION report.add_monitor(
    given_name text, given_url text, given_interval_s integer, given_timeout_us integer,
    given_slow_us integer, given_locations text[], given_kind text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    new_id integer;
BEGIN
    PERFORM vantage.check_monitor(
        given_url, given_interval_s, given_timeout_us, given_slow_us);
    PERFORM vantage.check_kind(given_kind, given_url, NULL);
    INSERT INTO vantage.monitors
        (account_id, name, url, interval_s, timeout_us, slow_us, is_everywhere, kind)
    VALUES (own_id, COALESCE(NULLIF(given_name, ''), regexp_replace(given_url, '^\w+://|/$', '', 'g')),
        given_url, given_interval_s, given_timeout_us, given_slow_us, given_locations IS NULL,
        COALESCE(given_kind, 'request'))
    RETURNING id INTO new_id;
    PERFORM vantage.place_monitor(new_id, given_locations);
    PERFORM vantage.record('monitor_added', given_url);
    RETURN new_id;
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION '“%” cannot be watched: agents do not speak its scheme.', left(given_url, 200)
        USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.add_monitor IS
    'Has the account watch an address; returns the monitor''s id. An empty name: the address '
    'without its scheme. Locations NULL: all, also those to come. Kind NULL: request.';

CREATE OR REPLACE FUNCTION report.change_monitor(
    given_id integer, given_name text, given_url text, given_interval_s integer,
    given_timeout_us integer, given_slow_us integer, given_locations text[],
    given_kind text DEFAULT NULL, given_anew text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    kept CONSTANT text[] := vantage.kept_secrets(given_id, given_anew);
BEGIN
    PERFORM vantage.check_monitor(
        given_url, given_interval_s, given_timeout_us, given_slow_us);
    PERFORM vantage.check_kind(COALESCE(given_kind, kind), given_url, id)
    FROM vantage.monitors
    WHERE id = given_id AND account_id = own_id;
    IF given_name = '' THEN
        RAISE EXCEPTION 'A monitor has a name.' USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.monitors
    SET
        name = given_name,
        url = given_url,
        interval_s = given_interval_s,
        timeout_us = given_timeout_us,
        slow_us = given_slow_us,
        is_everywhere = given_locations IS NULL,
        kind = COALESCE(given_kind, kind)
    WHERE id = given_id AND account_id = own_id AND removed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.require_secrets(given_id, kept);
    PERFORM vantage.place_monitor(given_id, given_locations);
    PERFORM vantage.record('monitor_changed', given_name);
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION '“%” cannot be watched: agents do not speak its scheme.', left(given_url, 200)
        USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.change_monitor IS
    'Defines the account''s monitor anew. Locations NULL: all, also those to come. Kind NULL: as it '
    'was. Anew: the secrets that report.define_monitor() sets or removes in the same transaction; a '
    'monitor that leads elsewhere raises VA400 unless all of its secrets are among them.';

CREATE OR REPLACE FUNCTION report.tag_monitor(given_id integer, given_tags text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    wanted CONSTANT text[] := ARRAY(
        SELECT DISTINCT lower(btrim(tag)) FROM unnest(given_tags) AS tag
        WHERE btrim(tag) <> '' ORDER BY 1);
    odd CONSTANT text := (
        SELECT tag FROM unnest(wanted) AS tag WHERE tag !~ '^[[:alnum:]][[:alnum:] ._:/-]{0,39}$' LIMIT 1);
BEGIN
    IF odd IS NOT NULL THEN
        RAISE EXCEPTION '“%” is no tag: up to 40 letters, digits, spaces and . _ : / - can be.',
            left(odd, 100) USING ERRCODE = 'VA400';
    ELSIF cardinality(wanted) > 20 THEN
        RAISE EXCEPTION 'A monitor may have 20 tags, not %.', cardinality(wanted)
            USING ERRCODE = 'VA400';
    END IF;
    UPDATE vantage.monitors
    SET tags = wanted
    WHERE id = given_id AND account_id = own_id AND removed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
END
$$;
COMMENT ON FUNCTION report.tag_monitor IS
    'Groups a monitor by these words, and by no others.';

CREATE OR REPLACE FUNCTION report.pause_monitor(given_id integer, is_wanted boolean)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    whose text;
BEGIN
    UPDATE vantage.monitors
    SET
        paused_at = CASE WHEN is_wanted THEN COALESCE(paused_at, now()) END,
        -- Whoever wants it to rest wants it also after the licence is renewed.
        is_paused_by_licence = false
    WHERE id = given_id AND account_id = own_id AND removed_at IS NULL
    RETURNING name INTO whose;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record(
        CASE WHEN is_wanted THEN 'monitor_paused' ELSE 'monitor_resumed' END, whose);
END
$$;
COMMENT ON FUNCTION report.pause_monitor IS 'Lets the account''s monitor rest, or go on.';

CREATE OR REPLACE FUNCTION report.remove_monitor(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    whose text;
BEGIN
    UPDATE vantage.monitors SET removed_at = now()
    WHERE id = given_id AND account_id = own_id AND removed_at IS NULL
    RETURNING name INTO whose;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('monitor_removed', whose);
END
$$;
COMMENT ON FUNCTION report.remove_monitor IS
    'Stops watching the account''s monitor; its results stay until they are too old.';
