-- Who probes, and how well; empty for all but operators.

-- agents --
SELECT
    id::text AS id,
    location,
    name,
    version,
    last_seen_at,
    certificate_expires_at,
    backlog,
    clock_offset_us,
    clock_uncertainty_us,
    is_clock_off,
    is_online,
    missed_slots
FROM report.agents
ORDER BY location, name, id

-- location_troubles --
-- Those that go on, and those of the last days.
SELECT
    id,
    location,
    kind,
    began_at,
    ended_at,
    detail
FROM report.location_troubles
WHERE COALESCE(ended_at, 'infinity') > now() - %(age)s
ORDER BY ended_at IS NOT NULL, began_at DESC
LIMIT 50
