-- Reports of a month.

-- report --
SELECT
    revision,
    made_at,
    content,
    is_over
FROM report.report_of(%(first_day)s, %(monitor_ids)s, %(objective)s, %(limit_us)s, %(share)s)

-- report_of_week --
SELECT
    revision,
    made_at,
    content,
    is_over
FROM report.report_of_week(
    %(first_day)s, %(monitor_ids)s, %(objective)s, %(limit_us)s, %(share)s)

-- report_schedules --
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
    recipients
FROM report.report_schedules
ORDER BY
    lower(name),
    id

-- add_report_schedule --
SELECT report.add_report_schedule(
    %(name)s, %(period)s, %(day)s, %(at)s, %(time_zone)s, %(monitor_ids)s, %(objective)s,
    %(limit_us)s, %(share)s, %(has_revisions)s, %(user_ids)s) AS id

-- change_report_schedule --
SELECT report.change_report_schedule(
    %(id)s, %(name)s, %(period)s, %(day)s, %(at)s, %(time_zone)s, %(monitor_ids)s, %(objective)s,
    %(limit_us)s, %(share)s, %(has_revisions)s, %(user_ids)s)

-- remove_report_schedule --
SELECT report.remove_report_schedule(%(id)s)

-- enter --
SELECT
    account_id,
    account
FROM report.enter(%(user_id)s)
