-- Changing what is watched.

-- editable --
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    kind,
    is_everywhere,
    paused_at,
    tags,
    ARRAY(
        SELECT location FROM report.monitor_locations
        WHERE monitor_locations.monitor_id = monitors.id) AS locations,
    request,
    terms,
    assertions
FROM report.monitors
WHERE id = %(id)s

-- secrets --
SELECT
    name,
    set_at
FROM report.secrets
WHERE monitor_id = %(id)s
ORDER BY name

-- add_monitor --
SELECT report.add_monitor(
    %(name)s, %(url)s, %(interval_s)s, %(timeout_us)s, %(slow_us)s, %(locations)s,
    %(kind)s) AS id

-- change_monitor --
SELECT report.change_monitor(
    %(id)s, %(name)s, %(url)s, %(interval_s)s, %(timeout_us)s, %(slow_us)s, %(locations)s,
    %(kind)s, %(anew)s)

-- define_monitor --
SELECT report.define_monitor(
    %(id)s, %(request)s, %(assertions)s, %(terms)s, %(secrets)s)

-- tag_monitor --
SELECT report.tag_monitor(%(id)s, %(tags)s)

-- pause_monitor --
SELECT report.pause_monitor(%(id)s, %(is_wanted)s)

-- remove_monitor --
SELECT report.remove_monitor(%(id)s)

-- first_result --
SELECT
    slot_at,
    location
FROM report.results
WHERE monitor_id = %(monitor_id)s
ORDER BY slot_at
LIMIT 1
