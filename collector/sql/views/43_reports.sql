-- Reports of a month: availability and response times against objectives.

CREATE OR REPLACE FUNCTION vantage.report_figures(
    given_account_id integer, from_at timestamptz, to_at timestamptz, given_monitor_ids integer[],
    objective numeric, limit_us integer, share numeric)
RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    WITH chosen AS (
        SELECT monitors.id, monitors.name, monitors.url
        FROM vantage.monitors
        WHERE monitors.account_id = given_account_id
            AND (given_monitor_ids IS NULL OR monitors.id = ANY (given_monitor_ids))
            AND monitors.created_at < report_figures.to_at
            AND COALESCE(monitors.removed_at, 'infinity') > report_figures.from_at
    ),
    counted AS (
        SELECT
            found.monitor_id,
            sum(found.due)::bigint AS due,
            sum(found.run)::bigint AS run,
            sum(found.missing)::bigint AS missing,
            sum(found.passed)::bigint AS passed,
            sum(found.judged)::bigint AS judged,
            sum(found.suspect_down)::bigint AS not_judged,
            jsonb_agg(jsonb_build_object(
                'location', found.location, 'passed', found.passed, 'judged', found.judged,
                'missing', found.missing, 'availability', found.availability)
                ORDER BY found.location) AS locations
        FROM vantage.availability(report_figures.from_at, report_figures.to_at,
            ARRAY(SELECT chosen.id FROM chosen)) AS found
        GROUP BY found.monitor_id
    ),
    timed AS (
        SELECT kept.monitor_id, vantage.merge(kept.total_histogram) AS histogram
        FROM vantage.results_1d AS kept
        -- As an array they reach the hours of days that are not over before these are summed up.
        WHERE kept.monitor_id = ANY(ARRAY(SELECT chosen.id FROM chosen))
            AND kept.bucket_at >= report_figures.from_at
            AND kept.bucket_at < report_figures.to_at
        GROUP BY kept.monitor_id
    ),
    failed AS (
        SELECT
            incidents.monitor_id,
            count(*) AS incidents,
            sum(extract(epoch FROM
                LEAST(COALESCE(incidents.recovered_at, now()), report_figures.to_at)
                - GREATEST(incidents.began_at, report_figures.from_at)))::bigint AS incident_s
        FROM vantage.incidents
        WHERE incidents.monitor_id IN (SELECT chosen.id FROM chosen)
            AND incidents.severity = 'down'
            AND incidents.began_at < report_figures.to_at
            AND COALESCE(incidents.recovered_at, now()) > report_figures.from_at
        GROUP BY incidents.monitor_id
    )
    SELECT COALESCE(jsonb_agg(jsonb_build_object(
        'monitor_id', chosen.id,
        'monitor', chosen.name,
        'url', chosen.url,
        'due', COALESCE(counted.due, 0),
        'run', COALESCE(counted.run, 0),
        'missing', COALESCE(counted.missing, 0),
        'passed', COALESCE(counted.passed, 0),
        'judged', COALESCE(counted.judged, 0),
        'not_judged', COALESCE(counted.not_judged, 0),
        'availability', vantage.percent(counted.passed, counted.judged),
        'is_met', counted.passed * 100 >= objective * NULLIF(counted.judged, 0),
        'budget', floor(counted.judged * (100 - objective) / 100),
        'spent', counted.judged - counted.passed,
        'median_us', round(vantage.percentile(timed.histogram, 0.5)),
        'p95_us', round(vantage.percentile(timed.histogram, 0.95)),
        'timed', vantage.histogram_count(timed.histogram),
        'within', within.limit_count,
        'within_share', vantage.percent(within.limit_count, vantage.histogram_count(timed.histogram)),
        'is_fast_enough', within.limit_count * 100
            >= share * NULLIF(vantage.histogram_count(timed.histogram), 0),
        'incidents', COALESCE(failed.incidents, 0),
        'incident_s', COALESCE(failed.incident_s, 0),
        'maintenance_s', (
            SELECT COALESCE(sum(extract(epoch FROM upper(span) - lower(span))), 0)::bigint
            FROM unnest((
                SELECT range_agg(tstzrange(maintenance.from_at, maintenance.to_at)
                    * tstzrange(report_figures.from_at, report_figures.to_at))
                FROM vantage.maintenance
                WHERE maintenance.account_id = given_account_id
                    AND (maintenance.monitor_id IS NULL OR maintenance.monitor_id = chosen.id)
                    AND maintenance.from_at < report_figures.to_at
                    AND maintenance.to_at > report_figures.from_at
            )) AS span),
        'locations', COALESCE(counted.locations, '[]')
        ) ORDER BY lower(chosen.name), chosen.id), '[]')
    FROM chosen
    LEFT JOIN counted ON counted.monitor_id = chosen.id
    LEFT JOIN timed ON timed.monitor_id = chosen.id
    LEFT JOIN failed ON failed.monitor_id = chosen.id
    LEFT JOIN LATERAL (
        SELECT COALESCE(sum(bucket.count) FILTER (WHERE bucket.to_us <= limit_us), 0) AS limit_count
        FROM vantage.histogram_buckets(timed.histogram) AS bucket
        WHERE limit_us IS NOT NULL
        HAVING limit_us IS NOT NULL AND timed.histogram IS NOT NULL
    ) AS within ON true
$$;
COMMENT ON FUNCTION vantage.report_figures IS
    'Figures of an account''s monitors (all, or those given) from from_at up to, not including, '
    'to_at, whole days of UTC: availability against an objective in percent with its error budget in '
    'checks; and, where limit_us is given, the share of response times within it against another. '
    'docs/reports.md says how each is counted.';

CREATE OR REPLACE FUNCTION vantage.unnamed(figures jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT
AS $$
    SELECT jsonb_agg(entry - 'monitor' - 'url' ORDER BY (entry ->> 'monitor_id')::integer)
    FROM jsonb_array_elements(figures) AS entry
$$;
COMMENT ON FUNCTION vantage.unnamed IS
    'A report''s figures without names and addresses: another name amends no report.';

CREATE OR REPLACE FUNCTION vantage.report_of(
    given_account_id integer, given_month date, given_monitor_ids integer[], objective numeric,
    limit_us integer, share numeric)
RETURNS TABLE (revision integer, made_at timestamptz, content jsonb, is_over boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    begins_at CONSTANT timestamptz := given_month::timestamp AT TIME ZONE 'UTC';
    ends_at CONSTANT timestamptz := (given_month + INTERVAL '1 month') AT TIME ZONE 'UTC';
    wanted CONSTANT jsonb := jsonb_build_object(
        'monitor_ids', (SELECT jsonb_agg(wanted_id ORDER BY wanted_id)
            FROM unnest(given_monitor_ids) AS wanted_id),
        'objective', objective, 'limit_us', limit_us, 'share', share);
    figures jsonb;
    known vantage.reports;
BEGIN
    IF given_month <> date_trunc('month', given_month)::date THEN
        RAISE EXCEPTION 'A report is about a month: give its first day.' USING ERRCODE = 'VA400';
    ELSIF objective NOT BETWEEN 0 AND 100 OR share NOT BETWEEN 0 AND 100 THEN
        RAISE EXCEPTION 'An objective lies between 0 and 100 %%.' USING ERRCODE = 'VA400';
    ELSIF limit_us < 1000 THEN
        RAISE EXCEPTION 'A limit on response times is at least 1 ms.' USING ERRCODE = 'VA400';
    ELSIF begins_at > now() THEN
        RAISE EXCEPTION '% is yet to come.', to_char(given_month, 'FMMonth YYYY')
            USING ERRCODE = 'VA400';
    END IF;
    figures := vantage.report_figures(given_account_id, begins_at, LEAST(ends_at, date_trunc(
        'day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + INTERVAL '1 day'),
        given_monitor_ids, objective, limit_us, share);
    IF ends_at > now() THEN
        RETURN QUERY SELECT 0, now(), figures, false;
        RETURN;
    END IF;
    -- One at a time, or two would make the same revision.
    PERFORM pg_advisory_xact_lock(hashtext('vantage.reports'), given_account_id);
    SELECT reports.* INTO known
    FROM vantage.reports
    WHERE reports.account_id = given_account_id
        AND reports.month = given_month
        AND reports.parameters = wanted
    ORDER BY reports.revision DESC
    LIMIT 1;
    IF known.id IS NULL
        -- Hours are not kept for ever, and what was counted from them cannot be counted again.
        OR (ends_at > now() - INTERVAL '390 days'
            AND vantage.unnamed(known.content) IS DISTINCT FROM vantage.unnamed(figures))
    THEN
        INSERT INTO vantage.reports (account_id, month, parameters, revision, content)
        VALUES (given_account_id, given_month, wanted, COALESCE(known.revision, 0) + 1, figures)
        RETURNING * INTO known;
    END IF;
    RETURN QUERY SELECT known.revision, known.made_at, known.content, true;
END
$$;
COMMENT ON FUNCTION vantage.report_of IS
    'The report of a month (its first day). Of one that is over, every state that was seen is kept as '
    'a revision; of the present one, revision is 0. Raises VA400 for what cannot be reported.';

CREATE OR REPLACE FUNCTION report.report_of(
    given_month date, given_monitor_ids integer[], objective numeric, limit_us integer,
    share numeric)
RETURNS TABLE (revision integer, made_at timestamptz, content jsonb, is_over boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT found.*
    FROM vantage.report_of(vantage.require_role('viewer'), given_month, given_monitor_ids, objective,
        limit_us, share) AS found;
END
$$;
COMMENT ON FUNCTION report.report_of IS 'vantage.report_of the account''s own monitors.';

CREATE OR REPLACE VIEW report.reports WITH (security_barrier) AS
SELECT
    id,
    month,
    parameters,
    revision,
    made_at,
    content
FROM vantage.reports
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.reports IS
    'The account''s reports and their revisions; its columns are explained at vantage.reports.';
