-- Status pages, and leaving.

-- status_pages --
SELECT
    id,
    slug,
    title,
    monitor_ids
FROM report.status_pages
ORDER BY slug

-- save_status_page --
SELECT report.save_status_page(%(slug)s, %(title)s, %(monitor_ids)s)

-- remove_status_page --
SELECT report.remove_status_page(%(id)s)

-- public_page --
SELECT
    page_id,
    title
FROM report.public_page(%(slug)s)

-- public_monitors --
SELECT
    shown.monitor_id,
    shown.name,
    shown.states,
    shown.degraded_by,
    verdicts.state AS verdict
FROM report.public_monitors(%(page_id)s) AS shown
LEFT JOIN report.public_verdicts(%(page_id)s) AS verdicts USING (monitor_id)
ORDER BY shown.monitor_id

-- public_incidents --
SELECT
    incident_id,
    monitor,
    severity,
    cause,
    began_at,
    ended_at
FROM report.public_incidents(%(page_id)s, %(days)s)

-- public_maintenance --
SELECT
    monitor,
    from_at,
    to_at
FROM report.public_maintenance(%(page_id)s)

-- public_days --
SELECT
    monitor_id,
    day_at,
    checks,
    failed
FROM report.public_days(%(page_id)s, %(days)s)

-- delete_account --
SELECT report.delete_account()

-- purge --
SELECT report.purge() AS is_done

-- own_rows --
SELECT
    relation,
    content
FROM report.own_rows()

-- own_certificates --
SELECT *
FROM report.certificates

-- every_results --
SELECT *
FROM report.results
WHERE monitor_id = %(monitor_id)s

-- every_exchanges --
SELECT *
FROM report.exchanges
WHERE monitor_id = %(monitor_id)s

-- every_gaps --
SELECT *
FROM report.gaps
WHERE monitor_id = %(monitor_id)s

-- every_results_1h --
SELECT *
FROM report.results_1h
WHERE monitor_id = %(monitor_id)s

-- every_results_1d --
SELECT *
FROM report.results_1d
WHERE monitor_id = %(monitor_id)s
