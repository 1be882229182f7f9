-- Since when an incident fails is a fact of its own: who reads of it does so by their own clocks. It
-- stood, in UTC, at the end of the sentences.

ALTER TABLE vantage.incidents
    ADD COLUMN failing_since_at timestamptz;
COMMENT ON COLUMN vantage.incidents.failing_since_at IS
    'Since when it fails: later than began_at where it was well for a while. The latest, until it '
    'closed. NULL: nobody said so.';
COMMENT ON COLUMN vantage.incidents.summary IS
    'In a sentence: what, and from where. The latest, until it closed.';

ALTER TABLE vantage.incident_events
    ADD COLUMN failing_since_at timestamptz;
COMMENT ON COLUMN vantage.incident_events.failing_since_at IS
    'incidents.failing_since_at at that time, of what detail says. NULL: it says nothing of the kind.';

-- Forced row-level security would hide the rows from the tables' owner.
ALTER TABLE vantage.incidents NO FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_events NO FORCE ROW LEVEL SECURITY;

UPDATE vantage.incidents
SET
    failing_since_at = CASE
        WHEN summary LIKE '% again since %'
            THEN substring(summary FROM 'since (\d{4}-\d\d-\d\d \d\d:\d\d UTC)\.$')::timestamptz
        ELSE began_at
    END,
    summary = regexp_replace(summary, '( again)? since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$', '.')
WHERE summary ~ ' since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$';

UPDATE vantage.incident_events
SET
    failing_since_at = CASE
        WHEN detail LIKE '% again since %'
            THEN substring(detail FROM 'since (\d{4}-\d\d-\d\d \d\d:\d\d UTC)\.$')::timestamptz
        ELSE incidents.began_at
    END,
    detail = regexp_replace(detail, '( again)? since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$', '.')
FROM vantage.incidents
WHERE incidents.id = incident_events.incident_id
    AND incident_events.author IS NULL
    AND detail ~ ' since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$';

ALTER TABLE vantage.incidents FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_events FORCE ROW LEVEL SECURITY;
