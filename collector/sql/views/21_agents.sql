-- Who probes, for those who run this installation; nobody else's query gets a row.
CREATE OR REPLACE VIEW report.agents WITH (security_barrier) AS
SELECT
    agents.id,
    agents.location,
    agents.name,
    agents.version,
    agents.enrolled_at,
    agents.last_seen_at,
    agents.certificate_expires_at,
    agents.backlog,
    agents.clock_offset_us,
    agents.clock_uncertainty_us,
    agents.is_clock_off,
    COALESCE(agents.last_seen_at > now() - INTERVAL '15 seconds', false) AS is_online,
    (
        SELECT COALESCE(sum(gaps.slots), 0)::bigint
        FROM vantage.gaps
        WHERE gaps.agent_id = agents.id AND gaps.from_slot_at > now() - INTERVAL '24 hours'
    ) AS missed_slots
FROM vantage.agents
WHERE agents.revoked_at IS NULL
    AND EXISTS (
        SELECT
        FROM vantage.users AS visitor
        WHERE visitor.id = vantage.current_user_id()
            AND visitor.account_id = vantage.current_account()
            AND visitor.is_operator);
COMMENT ON VIEW report.agents IS
    'Every agent that is not shut out, where the current person runs this installation.';
COMMENT ON COLUMN report.agents.id IS 'Identity, as in report.results.agent_id.';
COMMENT ON COLUMN report.agents.location IS 'Where it probes from.';
COMMENT ON COLUMN report.agents.name IS 'What its machine called itself when it enrolled.';
COMMENT ON COLUMN report.agents.version IS 'Its program''s version. NULL: it never connected.';
COMMENT ON COLUMN report.agents.enrolled_at IS 'When it enrolled.';
COMMENT ON COLUMN report.agents.last_seen_at IS 'Its last heartbeat. NULL: it never connected.';
COMMENT ON COLUMN report.agents.certificate_expires_at IS
    'End of validity of the newest certificate issued to it.';
COMMENT ON COLUMN report.agents.backlog IS
    'Results waiting in its spool at its last heartbeat. NULL: it never connected.';
COMMENT ON COLUMN report.agents.clock_offset_us IS
    'How far its clock was ahead of the collector''s; negative: behind. NULL: never compared.';
COMMENT ON COLUMN report.agents.clock_uncertainty_us IS
    'How far clock_offset_us may be wrong, either way. NULL: never compared.';
COMMENT ON COLUMN report.agents.is_clock_off IS
    'Its clock is certainly off by more than the collector''s --clock-bound.';
COMMENT ON COLUMN report.agents.is_online IS 'Heard of within 15 seconds.';
COMMENT ON COLUMN report.agents.missed_slots IS
    'Slots of the last 24 hours that it told not to have run.';

CREATE OR REPLACE VIEW report.location_troubles WITH (security_barrier) AS
SELECT
    troubles.id,
    troubles.location,
    troubles.kind,
    troubles.began_at,
    troubles.ended_at,
    troubles.detail
FROM vantage.location_troubles AS troubles
WHERE EXISTS (
    SELECT
    FROM vantage.users AS visitor
    WHERE visitor.id = vantage.current_user_id()
        AND visitor.account_id = vantage.current_account()
        AND visitor.is_operator);
COMMENT ON VIEW report.location_troubles IS
    'When locations themselves were in trouble, where the current person runs this installation; its '
    'columns are explained at vantage.location_troubles.';
