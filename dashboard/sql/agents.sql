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
