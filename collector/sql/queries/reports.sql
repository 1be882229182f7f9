-- Reports of a month.

-- report --
SELECT
    revision,
    made_at,
    content,
    is_over
FROM vantage.report_of(
    %(account_id)s, %(month)s, %(monitor_ids)s, %(objective)s, %(limit_us)s, %(share)s)
