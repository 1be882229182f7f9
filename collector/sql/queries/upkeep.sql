-- What one collector at a time does for the whole database.

-- lead --
SELECT pg_try_advisory_lock(hashtext('vantage.upkeep')) AS is_leader

-- roll_up --
SELECT
    batches,
    results
FROM vantage.roll_up()

-- rollup_lag --
SELECT extract(epoch FROM lag)::double precision AS lag_s
FROM vantage.rollup_backlog
