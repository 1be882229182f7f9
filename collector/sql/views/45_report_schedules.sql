-- Reports by mail: the report of a week, and which mails are due.

CREATE OR REPLACE FUNCTION report.report_of_week(
    given_monday date, given_monitor_ids integer[], objective numeric, limit_us integer,
    share numeric)
RETURNS TABLE (revision integer, made_at timestamptz, content jsonb, is_over boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('viewer');
    begins_at CONSTANT timestamptz := given_monday::timestamp AT TIME ZONE 'UTC';
    ends_at CONSTANT timestamptz := begins_at + INTERVAL '7 days';
BEGIN
    IF extract(isodow FROM given_monday) <> 1 THEN
        RAISE EXCEPTION 'A week is named by its Monday.' USING ERRCODE = 'VA400';
    ELSIF begins_at > now() THEN
        RAISE EXCEPTION 'The week of % is yet to come.', to_char(given_monday, 'FMDD FMMonth YYYY')
            USING ERRCODE = 'VA400';
    END IF;
    RETURN QUERY
    SELECT
        0,
        now(),
        vantage.report_figures(own_id, begins_at, LEAST(ends_at, date_trunc(
            'day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + INTERVAL '1 day'),
            given_monitor_ids, objective, limit_us, share),
        ends_at <= now();
END
$$;
COMMENT ON FUNCTION report.report_of_week IS
    'The report of the week that begins on a Monday, UTC, of the account''s own monitors. Weeks have '
    'no revisions: it is as it is now.';

CREATE OR REPLACE FUNCTION vantage.due_reports(given_at timestamptz)
RETURNS TABLE (schedule_id integer, first_day date, due_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH clocks AS (
        SELECT
            schedules.*,
            given_at AT TIME ZONE schedules.time_zone AS local_at,
            ('1 ' || schedules.period)::interval AS length,
            (schedules.day - 1) * INTERVAL '1 day' + schedules.at::interval AS after
        FROM vantage.report_schedules AS schedules
    ),
    newest AS (
        SELECT
            clocks.*,
            CASE WHEN date_trunc(period, local_at) + after <= local_at
                THEN date_trunc(period, local_at)
                ELSE date_trunc(period, local_at) - length END AS mailed_in
        FROM clocks
    )
    SELECT
        id,
        (mailed_in - length)::date,
        -- Days are those of UTC, and the last results take a while.
        GREATEST((mailed_in + after) AT TIME ZONE time_zone,
            (mailed_in AT TIME ZONE 'UTC') + INTERVAL '1 hour')
    FROM newest
$$;
COMMENT ON FUNCTION vantage.due_reports IS
    'For each schedule the newest report that is due by an instant: the first day of the period that '
    'it is about, and since when (maybe a little later than the instant).';

CREATE OR REPLACE FUNCTION vantage.queue_report(
    schedule vantage.report_schedules, first_day date, given_revision integer)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    made integer;
    given_step CONSTANT text := concat_ws(' ', 'report', schedule.id, to_char(first_day, 'YYYY-MM-DD'),
        'revision ' || given_revision);
BEGIN
    INSERT INTO vantage.mails (account_id, user_id, step, kind, content)
    SELECT schedule.account_id, recipients.user_id, given_step, 'report', jsonb_build_object(
        'schedule_id', schedule.id, 'name', schedule.name, 'period', schedule.period,
        'first_day', to_char(first_day, 'YYYY-MM-DD'), 'monitor_ids', schedule.monitor_ids,
        'objective', schedule.objective::text, 'limit_us', schedule.limit_us,
        'share', schedule.share::text, 'revision', given_revision)
    FROM vantage.report_recipients AS recipients
    JOIN vantage.users ON users.id = recipients.user_id AND users.account_id = schedule.account_id
    WHERE recipients.schedule_id = schedule.id
        AND NOT EXISTS (
            SELECT FROM vantage.mails
            WHERE mails.account_id = schedule.account_id AND mails.step = given_step);
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.queue_report IS
    'Has a schedule''s recipients mailed its report of a period, once; returns how many they are.';

CREATE OR REPLACE FUNCTION vantage.decide_report_mails(given_at timestamptz DEFAULT now())
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    chosen record;
    amended integer;
    made integer := 0;
BEGIN
    FOR chosen IN
        SELECT schedules AS schedule, due.first_day
        FROM vantage.due_reports(given_at) AS due
        JOIN vantage.report_schedules AS schedules ON schedules.id = due.schedule_id
        JOIN vantage.accounts ON accounts.id = schedules.account_id
        WHERE due.due_at <= given_at
            AND due.due_at > schedules.created_at
            -- After a long pause of whoever sends.
            AND due.due_at > given_at - INTERVAL '7 days'
            AND accounts.deleted_at IS NULL
            AND vantage.licence_state_at(accounts, given_at) <> 'expired'
    LOOP
        made := made + vantage.queue_report(chosen.schedule, chosen.first_day, NULL);
    END LOOP;
    -- One a time: it has to be counted anew.
    SELECT schedules AS schedule, told.first_day INTO chosen
    FROM vantage.report_schedules AS schedules
    JOIN vantage.accounts ON accounts.id = schedules.account_id AND accounts.deleted_at IS NULL
    JOIN LATERAL (
        SELECT max(mails.content ->> 'first_day')::date AS first_day
        FROM vantage.mails
        WHERE mails.account_id = schedules.account_id
            AND mails.kind = 'report'
            AND mails.sent_at IS NOT NULL
            AND mails.content ->> 'schedule_id' = schedules.id::text
    ) AS told ON told.first_day IS NOT NULL
    WHERE schedules.has_revisions
        AND schedules.period = 'month'
        AND schedules.looked_at < given_at - INTERVAL '1 day'
    ORDER BY schedules.looked_at
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN made;
    END IF;
    UPDATE vantage.report_schedules SET looked_at = given_at WHERE id = (chosen.schedule).id;
    PERFORM set_config('vantage.account_id', (chosen.schedule).account_id::text, true);
    SELECT report.revision INTO amended
    FROM vantage.report_of((chosen.schedule).account_id, chosen.first_day,
        (chosen.schedule).monitor_ids, (chosen.schedule).objective, (chosen.schedule).limit_us,
        (chosen.schedule).share) AS report;
    PERFORM set_config('vantage.account_id', '', true);
    IF amended > 1 THEN
        made := made + vantage.queue_report(chosen.schedule, chosen.first_day, amended);
    END IF;
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.decide_report_mails IS
    'Decides which reports are mailed by an instant, once each; and, where a schedule asks for them, '
    'whether the newest one was amended, looked for once a day. Returns how many mails that are.';

CREATE OR REPLACE FUNCTION report.decide_mails()
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('vantage.mails')) THEN
        RETURN 0;
    END IF;
    -- What was told of a licence is kept, or it would be told again.
    DELETE FROM vantage.mails
    WHERE kind IN ('product', 'report') AND created_at < now() - INTERVAL '400 days';
    RETURN vantage.decide_licence_mails() + vantage.decide_report_mails();
END
$$;
COMMENT ON FUNCTION report.decide_mails IS
    'Decides all mail that is to be sent by now, for whoever sends it; returns how much. 0 also while '
    'another one does it.';

CREATE OR REPLACE VIEW report.report_schedules WITH (security_barrier) AS
SELECT
    id,
    name,
    period,
    day,
    at,
    time_zone,
    monitor_ids,
    objective,
    limit_us,
    share,
    has_revisions,
    created_at,
    ARRAY(
        SELECT users.email
        FROM vantage.report_recipients AS recipients
        JOIN vantage.users ON users.id = recipients.user_id
        WHERE recipients.schedule_id = report_schedules.id
        ORDER BY lower(users.email)) AS recipients
FROM vantage.report_schedules
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.report_schedules IS
    'The account''s reports by mail; its columns are explained at vantage.report_schedules.';
COMMENT ON COLUMN report.report_schedules.recipients IS 'Addresses of the members who get it.';

CREATE OR REPLACE FUNCTION vantage.save_report_schedule(
    given_id integer, given_name text, given_period text, given_day integer, given_time time, given_time_zone text,
    given_monitor_ids integer[], given_objective numeric, given_limit_us integer,
    given_share numeric, is_revised boolean, given_user_ids integer[])
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    saved_id integer := given_id;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = given_time_zone) THEN
        RAISE EXCEPTION '“%” is no time zone. It has the form Europe/Berlin.',
            left(given_time_zone, 100) USING ERRCODE = 'VA400';
    ELSIF given_id IS NULL
        AND (SELECT count(*) FROM vantage.report_schedules WHERE account_id = own_id) >= 50 THEN
        RAISE EXCEPTION 'An account has at most 50 reports by mail. Remove one first.'
            USING ERRCODE = 'VA409';
    ELSIF EXISTS (
        SELECT FROM unnest(given_monitor_ids) AS wanted
        WHERE wanted NOT IN (SELECT id FROM vantage.monitors WHERE account_id = own_id)
    ) THEN
        RAISE EXCEPTION 'There is no such monitor in your account.' USING ERRCODE = 'VA404';
    ELSIF COALESCE(cardinality(given_user_ids), 0) = 0 THEN
        RAISE EXCEPTION 'Choose at least one member who gets the report.' USING ERRCODE = 'VA400';
    ELSIF EXISTS (
        SELECT FROM unnest(given_user_ids) AS wanted
        WHERE wanted NOT IN (SELECT id FROM vantage.users WHERE account_id = own_id)
    ) THEN
        RAISE EXCEPTION 'There is no such member in your account.' USING ERRCODE = 'VA404';
    END IF;
    IF given_id IS NULL THEN
        INSERT INTO vantage.report_schedules (account_id, name, period, day, at, time_zone,
            monitor_ids, objective, limit_us, share, has_revisions)
        VALUES (own_id, given_name, given_period, given_day, given_time, given_time_zone,
            given_monitor_ids, given_objective, given_limit_us, given_share, is_revised)
        RETURNING id INTO saved_id;
    ELSE
        UPDATE vantage.report_schedules
        SET
            name = given_name,
            period = given_period,
            day = given_day,
            at = given_time,
            time_zone = given_time_zone,
            monitor_ids = given_monitor_ids,
            objective = given_objective,
            limit_us = given_limit_us,
            share = given_share,
            has_revisions = is_revised
        WHERE id = given_id AND account_id = own_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'There is no such report by mail in your account.'
                USING ERRCODE = 'VA404';
        END IF;
        DELETE FROM vantage.report_recipients WHERE schedule_id = given_id;
    END IF;
    INSERT INTO vantage.report_recipients (schedule_id, user_id)
    SELECT DISTINCT saved_id, wanted FROM unnest(given_user_ids) AS wanted;
    PERFORM vantage.record(
        CASE WHEN given_id IS NULL THEN 'report_scheduled' ELSE 'report_rescheduled' END, given_name);
    RETURN saved_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'There is a report named “%” already. Choose another name.', given_name
            USING ERRCODE = 'VA409';
    WHEN check_violation OR not_null_violation THEN
        RAISE EXCEPTION 'A report by mail has a name of 1 to 100 characters and comes every month, on '
            'day 1 to 28, or every week, on day 1 to 7, at a time of day.' USING ERRCODE = 'VA400';
END
$$;
COMMENT ON FUNCTION vantage.save_report_schedule IS
    'Makes (given_id NULL) or changes a report by mail of the current account; returns its id.';

CREATE OR REPLACE FUNCTION report.add_report_schedule(
    given_name text, given_period text, given_day integer, given_time time, given_time_zone text,
    given_monitor_ids integer[], given_objective numeric, given_limit_us integer,
    given_share numeric, is_revised boolean, given_user_ids integer[])
RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT vantage.save_report_schedule(NULL, given_name, given_period, given_day, given_time,
        given_time_zone, given_monitor_ids, given_objective, given_limit_us, given_share, is_revised,
        given_user_ids)
$$;
COMMENT ON FUNCTION report.add_report_schedule IS
    'Has a report mailed to members, by itself; returns the schedule''s id.';

CREATE OR REPLACE FUNCTION report.change_report_schedule(
    given_id integer, given_name text, given_period text, given_day integer, given_time time,
    given_time_zone text, given_monitor_ids integer[], given_objective numeric,
    given_limit_us integer, given_share numeric, is_revised boolean, given_user_ids integer[])
RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT vantage.save_report_schedule(given_id, given_name, given_period, given_day, given_time,
        given_time_zone, given_monitor_ids, given_objective, given_limit_us, given_share, is_revised,
        given_user_ids)
$$;
COMMENT ON FUNCTION report.change_report_schedule IS
    'Defines the account''s report by mail anew. What was mailed before is not mailed again.';

CREATE OR REPLACE FUNCTION report.remove_report_schedule(given_id integer)
RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_id CONSTANT integer := vantage.require_role('editor');
    named text;
BEGIN
    DELETE FROM vantage.report_schedules WHERE id = given_id AND account_id = own_id
    RETURNING name INTO named;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no such report by mail in your account.' USING ERRCODE = 'VA404';
    END IF;
    PERFORM vantage.record('report_unscheduled', named);
END
$$;
COMMENT ON FUNCTION report.remove_report_schedule IS 'Mails a report no more.';
