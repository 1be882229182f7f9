-- When an agent was not there to run its monitors: written as it is found to be gone.

CREATE TABLE vantage.absences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    from_at timestamptz NOT NULL,
    to_at timestamptz,
    agent_id uuid NOT NULL,
    location text NOT NULL,
    monitor_ids integer[] NOT NULL,
    CHECK (from_at <= to_at)
);
CREATE INDEX absences_location ON vantage.absences (location, from_at DESC);
COMMENT ON TABLE vantage.absences IS
    'Times in which an agent of a location was not heard and nobody had its monitors yet: slots of '
    'theirs without a result were missed for this reason. An agent that was only cut off may still '
    'deliver some.';
COMMENT ON COLUMN vantage.absences.id IS 'Identity.';
COMMENT ON COLUMN vantage.absences.from_at IS
    'When the agent was last heard; it may have run slots a heartbeat (2 s) longer.';
COMMENT ON COLUMN vantage.absences.to_at IS
    'From when on its monitors were run again: given to others of the location, who learn of it '
    'within a second, or the slot from which an agent that came takes part. NULL: nobody runs them.';
COMMENT ON COLUMN vantage.absences.agent_id IS 'vantage.agents.id: who was gone.';
COMMENT ON COLUMN vantage.absences.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.absences.monitor_ids IS
    'vantage.monitors.id: what it was to run, paused ones left out.';
