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
    monitor_id,
    name,
    states
FROM report.public_monitors(%(page_id)s)

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

-- every_result --
SELECT *
FROM report.results
WHERE monitor_id = %(monitor_id)s

-- every_exchange --
SELECT *
FROM report.exchanges
WHERE monitor_id = %(monitor_id)s

-- own_monitors --
SELECT *
FROM report.monitors

-- own_locations --
SELECT *
FROM report.monitor_locations

-- own_members --
SELECT *
FROM report.members

-- own_tokens --
SELECT *
FROM report.api_tokens

-- own_audit_log --
SELECT *
FROM report.audit_log

-- own_status_pages --
SELECT *
FROM report.status_pages
