-- Status pages: what everybody may see, and how an editor changes it. Errors as in 20_people.sql.

CREATE OR REPLACE VIEW report.status_pages WITH (security_barrier) AS
SELECT
    status_pages.id,
    status_pages.slug,
    status_pages.title,
    ARRAY(
        SELECT monitor_id FROM vantage.status_page_monitors
        WHERE page_id = status_pages.id) AS monitor_ids
FROM vantage.status_pages
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.status_pages IS 'The account''s status pages.';
COMMENT ON COLUMN report.status_pages.id IS 'Identity.';
COMMENT ON COLUMN report.status_pages.slug IS 'Its address: /status/{slug}.';
COMMENT ON COLUMN report.status_pages.title IS 'Its heading.';
COMMENT ON COLUMN report.status_pages.monitor_ids IS 'What it shows.';

CREATE OR REPLACE FUNCTION report.save_status_page(
    given_slug text, given_title text, given_monitor_ids integer[])
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    saved_id integer;
BEGIN
    INSERT INTO vantage.status_pages AS known (account_id, slug, title)
    VALUES (own_id, given_slug, given_title)
    ON CONFLICT (slug) DO UPDATE SET title = EXCLUDED.title WHERE known.account_id = own_id
    RETURNING id INTO saved_id;
    IF saved_id IS NULL THEN
        RAISE EXCEPTION 'The address %/% is taken. Choose another.', '/status', given_slug
            USING ERRCODE = 'VA409';
    END IF;
    DELETE FROM vantage.status_page_monitors
    WHERE page_id = saved_id AND monitor_id <> ALL (given_monitor_ids);
    INSERT INTO vantage.status_page_monitors (page_id, monitor_id)
    SELECT saved_id, id
    FROM vantage.monitors
    WHERE account_id = own_id AND id = ANY (given_monitor_ids) AND removed_at IS NULL
    ON CONFLICT DO NOTHING;
    PERFORM vantage.record('status_page_saved', given_slug);
EXCEPTION WHEN check_violation THEN
    RAISE EXCEPTION 'A status page has a title of 1 to 100 characters, and an address of 2 to 63 '
        'small letters, digits and hyphens.' USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION report.save_status_page IS
    'Makes or changes the account''s status page of this address.';

CREATE OR REPLACE FUNCTION report.remove_status_page(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    whose text;
BEGIN
    DELETE FROM vantage.status_pages WHERE id = given_id AND account_id = own_id
    RETURNING slug INTO whose;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such status page in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('status_page_removed', whose);
END
$$;
COMMENT ON FUNCTION report.remove_status_page IS 'Shows the account''s page to nobody any more.';

CREATE OR REPLACE FUNCTION report.public_page(given_slug text)
RETURNS TABLE (page_id integer, title text)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shown record;
BEGIN
    SELECT status_pages.id, status_pages.title, status_pages.account_id INTO shown
    FROM vantage.status_pages
    JOIN vantage.accounts ON accounts.id = status_pages.account_id
    WHERE slug = given_slug AND accounts.deleted_at IS NULL;
    IF FOUND THEN
        -- Row-level security shows the page's monitors to the functions below.
        PERFORM set_config('vantage.account_id', shown.account_id::text, true);
        RETURN QUERY SELECT shown.id, shown.title;
    END IF;
END
$$;
COMMENT ON FUNCTION report.public_page IS
    'The status page at an address, for anybody. No row: there is none.';

DO $$
BEGIN
    -- What they return cannot be replaced; they are dropped once, from before they told the cause.
    IF NOT EXISTS (
        SELECT FROM pg_proc
        WHERE oid = to_regprocedure('report.public_monitors(integer)')
            AND 'degraded_by' = ANY (proargnames)
    ) THEN
        DROP FUNCTION IF EXISTS report.public_monitors(integer);
        DROP FUNCTION IF EXISTS report.public_incidents(integer, integer);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION report.public_monitors(given_page_id integer)
RETURNS TABLE (monitor_id integer, name text, states text[], degraded_by text[])
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        monitors.id,
        monitors.name,
        seen.states,
        seen.degraded_by
    FROM vantage.status_page_monitors AS shown
    JOIN vantage.monitors ON monitors.id = shown.monitor_id
    CROSS JOIN LATERAL (
        SELECT
            COALESCE(array_agg(state), '{}'),
            COALESCE(array_agg(DISTINCT failure) FILTER (WHERE state = 'slow'), '{}')
        FROM report.latest
        WHERE latest.monitor_id = monitors.id) AS seen (states, degraded_by)
    WHERE shown.page_id = given_page_id AND monitors.removed_at IS NULL
    ORDER BY lower(monitors.name), monitors.id
$$;
COMMENT ON FUNCTION report.public_monitors IS
    'What a status page shows, how each stands at its locations, and by what it is degraded there.';

CREATE OR REPLACE FUNCTION report.public_days(given_page_id integer, days integer)
RETURNS TABLE (monitor_id integer, day_at timestamptz, checks bigint, failed bigint)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH kept AS (
        SELECT monitor_id, bucket_at AS day_at, run, down, suspect_down
        FROM report.results_1d
        WHERE monitor_id = ANY(ARRAY(
                SELECT shown.monitor_id FROM vantage.status_page_monitors AS shown
                WHERE shown.page_id = given_page_id))
            AND bucket_at > now() - make_interval(days => days)
    ),
    -- Spans that have no instant in common, or it would be taken away twice.
    worked AS (
        SELECT monitor_id, lower(span) AS from_at, upper(span) AS to_at
        FROM (
            SELECT shown.monitor_id, range_agg(tstzrange(work.from_at, LEAST(work.to_at, now()))) AS times
            FROM vantage.status_page_monitors AS shown
            JOIN report.maintenance AS work
                ON work.monitor_id IS NULL OR work.monitor_id = shown.monitor_id
            WHERE shown.page_id = given_page_id
                AND work.from_at < now()
                AND work.to_at > now() - make_interval(days => days + 1)
            GROUP BY shown.monitor_id
        ) AS together
        CROSS JOIN LATERAL unnest(times) AS span
    ),
    taken_away AS (
        SELECT monitor_id, bucket_at AS at, -run AS run, -down AS down, -suspect_down AS suspect_down
        FROM worked
        JOIN report.results_1h AS hours USING (monitor_id)
        WHERE hours.bucket_at >= worked.from_at
            AND hours.bucket_at + INTERVAL '1 hour' <= worked.to_at
        UNION ALL
        -- Parts of hours, of which results are kept for a while.
        SELECT
            monitor_id,
            slot_at,
            -1,
            -(outcome = 'down')::integer,
            -(outcome = 'down' AND suspect)::integer
        FROM worked
        CROSS JOIN LATERAL (SELECT
            date_bin('1 hour', from_at + INTERVAL '1 hour' - INTERVAL '1 us', 'epoch'),
            date_bin('1 hour', to_at, 'epoch')) AS whole (first_at, last_at)
        CROSS JOIN LATERAL (VALUES
            (worked.from_at, LEAST(whole.first_at, worked.to_at)),
            (GREATEST(whole.last_at, whole.first_at), worked.to_at)) AS part (from_at, to_at)
        JOIN report.results USING (monitor_id)
        WHERE part.from_at < part.to_at
            AND results.slot_at >= part.from_at
            AND results.slot_at < part.to_at
            -- The index has them before the time.
            AND results.location = ANY(ARRAY(
                SELECT places.location FROM vantage.monitor_locations AS places
                WHERE places.monitor_id = worked.monitor_id))
            AND NOT results.is_extra
    )
    -- Results that are not summed up yet are taken away, too, so there may be less than none.
    SELECT
        monitor_id,
        day_at,
        GREATEST(0, sum(run - suspect_down))::bigint,
        GREATEST(0, sum(down - suspect_down))::bigint
    FROM (
        SELECT * FROM kept
        UNION ALL
        SELECT monitor_id, date_bin('1 day', at, 'epoch'), run, down, suspect_down FROM taken_away
    ) AS counted
    WHERE day_at > now() - make_interval(days => days)
    GROUP BY monitor_id, day_at
$$;
COMMENT ON FUNCTION report.public_days IS
    'Checks of each day (UTC) of what a status page shows, maintenance left out, less the failures that a '
    'busy agent saw; no row: none.';

CREATE OR REPLACE FUNCTION report.public_verdicts(given_page_id integer)
RETURNS TABLE (monitor_id integer, state text)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT verdicts.monitor_id, verdicts.state
    FROM vantage.status_page_monitors AS shown
    JOIN vantage.monitors ON monitors.id = shown.monitor_id
    JOIN vantage.verdicts ON verdicts.monitor_id = shown.monitor_id
    WHERE shown.page_id = given_page_id AND monitors.removed_at IS NULL
$$;
COMMENT ON FUNCTION report.public_verdicts IS
    'How what a status page shows stands over all its locations, by its rule; no row: not judged yet.';

CREATE OR REPLACE FUNCTION report.public_incidents(given_page_id integer, days integer)
RETURNS TABLE (
    incident_id bigint, monitor text, severity text, cause text, began_at timestamptz,
    ended_at timestamptz)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT incidents.id, monitors.name, incidents.severity, incidents.cause, incidents.began_at,
        incidents.recovered_at
    FROM vantage.status_page_monitors AS shown
    JOIN vantage.monitors ON monitors.id = shown.monitor_id
    JOIN vantage.incidents ON incidents.monitor_id = shown.monitor_id
    WHERE shown.page_id = given_page_id
        AND monitors.removed_at IS NULL
        AND COALESCE(incidents.recovered_at, 'infinity') > now() - make_interval(days => days)
    ORDER BY incidents.recovered_at IS NOT NULL, incidents.began_at DESC, incidents.id DESC
    LIMIT 200
$$;
COMMENT ON FUNCTION report.public_incidents IS
    'The latest incidents of what a status page shows, those that go on first; never what was '
    'written about them. ended_at NULL: it goes on.';

CREATE OR REPLACE FUNCTION report.public_maintenance(given_page_id integer)
RETURNS TABLE (monitor text, from_at timestamptz, to_at timestamptz)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT monitors.name, maintenance.from_at, maintenance.to_at
    FROM vantage.status_pages
    JOIN vantage.maintenance ON maintenance.account_id = status_pages.account_id
    LEFT JOIN vantage.monitors ON monitors.id = maintenance.monitor_id
    WHERE status_pages.id = given_page_id
        AND maintenance.to_at > now()
        AND maintenance.from_at < now() + INTERVAL '14 days'
        AND (maintenance.monitor_id IS NULL OR EXISTS (
            SELECT FROM vantage.status_page_monitors AS shown
            WHERE shown.page_id = given_page_id AND shown.monitor_id = maintenance.monitor_id))
    ORDER BY maintenance.from_at, maintenance.to_at, monitors.name
    LIMIT 20
$$;
COMMENT ON FUNCTION report.public_maintenance IS
    'When the account works on what a status page shows, two weeks ahead; never what for. monitor '
    'NULL: on everything.';
