-- The agents of one location share its monitors; when each of them takes part.

ALTER TABLE vantage.agents
    ADD COLUMN takes_from timestamptz,
    ADD COLUMN takes_until timestamptz;
COMMENT ON COLUMN vantage.agents.takes_from IS
    'The first slot from which it takes its share of its location''s monitors; a moment ahead where '
    'other agents must first hand theirs over. NULL: it never took any.';
COMMENT ON COLUMN vantage.agents.takes_until IS
    'When it was found to be silent, and the others took over. NULL: it takes its share.';

-- For each row: a statement that finds nobody silent must wake nobody.
CREATE TRIGGER agents_pool_changed AFTER UPDATE OF takes_from, takes_until ON vantage.agents
    FOR EACH ROW
    WHEN (OLD.takes_from IS DISTINCT FROM NEW.takes_from
        OR OLD.takes_until IS DISTINCT FROM NEW.takes_until)
    EXECUTE FUNCTION vantage.notify_assignments();
