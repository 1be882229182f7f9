-- Results that somebody asks for.

-- run_now --
SELECT report.run_now(%(monitor_id)s) AS requested_at

-- answered --
SELECT
    location,
    outcome::text AS outcome
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND slot_at = %(requested_at)s
    AND is_extra
