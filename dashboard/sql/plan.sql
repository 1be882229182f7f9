-- What the account may have.

-- plan --
SELECT
    title,
    max_monitors,
    min_interval_s,
    max_locations,
    max_members,
    licence,
    licence_ends_at,
    monitors,
    members,
    grace_ends_at,
    results_days
FROM report.plan
