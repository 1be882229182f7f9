-- What is usual at this hour of the week, and how it is now.

-- usual --
-- Now is the median of so long: of a quarter of an hour, or of five intervals.
WITH recent AS (
    SELECT
        results.location,
        phase.name,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY phase.us) AS level_us
    FROM report.results_between(
        %(monitor_id)s,
        ARRAY(
            SELECT baselines.location
            FROM report.baselines
            WHERE baselines.monitor_id = %(monitor_id)s
                AND baselines.hour_at = date_bin('1 hour', now(), 'epoch')
                AND baselines.phase = 'total'),
        now() - %(length)s::interval,
        'infinity') AS results
    CROSS JOIN LATERAL (VALUES
        ('total', results.total_us),
        ('dns', results.dns_us),
        ('connect', results.connect_us),
        ('tls', results.tls_us),
        ('send', results.send_us),
        ('wait', results.wait_us),
        ('receive', results.receive_us)
    ) AS phase (name, us)
    WHERE results.outcome <> 'down'
        AND NOT results.suspect
    GROUP BY
        results.location,
        phase.name
    HAVING count(phase.us) >= 3
)
SELECT
    baselines.hour_at,
    baselines.location,
    baselines.phase,
    baselines.weeks,
    baselines.results,
    baselines.usual_us,
    baselines.spread_us,
    recent.level_us,
    COALESCE(
        vantage.is_slower(
            recent.level_us, baselines.usual_us, baselines.spread_us, %(factor)s::numeric),
        false) AS is_slower
FROM report.baselines
LEFT JOIN recent ON recent.location = baselines.location
    AND recent.name = baselines.phase
WHERE baselines.monitor_id = %(monitor_id)s
    AND baselines.hour_at = date_bin('1 hour', now(), 'epoch')
