-- Reports of a month.

-- report --
SELECT
    revision,
    made_at,
    content,
    is_over
FROM report.report_of(%(month)s, %(monitor_ids)s, %(objective)s, %(limit_us)s, %(share)s)
