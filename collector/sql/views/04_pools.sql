CREATE OR REPLACE FUNCTION vantage.join_pool(agent_id uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    place text := (SELECT agents.location FROM vantage.agents WHERE agents.id = join_pool.agent_id);
BEGIN
    -- Two that come at once must see each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('vantage pool ' || place, 0));
    UPDATE vantage.agents
    SET
        last_seen_at = now(),
        takes_until = NULL,
        takes_from = CASE WHEN EXISTS (
            SELECT
            FROM vantage.agents AS others
            WHERE others.location = place
                AND others.id <> join_pool.agent_id
                AND others.takes_from IS NOT NULL
                AND others.takes_until IS NULL
                AND others.revoked_at IS NULL
        )
        -- Enough for every collector and agent to learn of it.
        THEN now() + INTERVAL '5 seconds'
        -- Nobody else runs them: a clock that is a little behind shall lose no slot.
        ELSE now() - INTERVAL '1 minute' END
    WHERE agents.id = join_pool.agent_id
        AND agents.revoked_at IS NULL
        AND (agents.takes_from IS NULL OR agents.takes_until IS NOT NULL);
    -- Monitors that nobody ran are run again.
    UPDATE vantage.absences
    SET to_at = GREATEST(absences.from_at, now())
    WHERE absences.location = place
        AND absences.to_at IS NULL;
END
$$;
COMMENT ON FUNCTION vantage.join_pool IS
    'Gives an agent its share of its location''s monitors, from a slot ahead of now if others run '
    'them: until then they go on, so that no slot is run twice or by nobody. Nothing happens to one '
    'that has it already.';
