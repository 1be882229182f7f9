-- Slots that were due and have no result, each with its reason: as the agents tell.

CREATE TABLE vantage.gaps (
    from_slot_at timestamptz NOT NULL,
    to_slot_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    monitor_id integer NOT NULL,
    slots integer NOT NULL CHECK (slots > 0),
    agent_id uuid NOT NULL,
    location text NOT NULL,
    reason text NOT NULL CHECK (reason ~ '^[a-z][a-z_]{0,31}$'),
    detail text,
    CHECK (from_slot_at <= to_slot_at)
);
SELECT create_hypertable(
    'vantage.gaps', 'from_slot_at', chunk_time_interval => INTERVAL '7 days',
    create_default_indexes => false);
CREATE INDEX gaps_monitor_location ON vantage.gaps (monitor_id, location, from_slot_at DESC);
COMMENT ON TABLE vantage.gaps IS
    'Slots of a monitor at a location that an agent declared to have no result, neighbours in one '
    'row. A slot is either in vantage.results, or in one of these, or its agent was not there to '
    'tell: vantage.slots_accounted counts all three.';
COMMENT ON COLUMN vantage.gaps.from_slot_at IS 'The first slot without a result.';
COMMENT ON COLUMN vantage.gaps.to_slot_at IS 'The last one; the first itself where it is alone.';
COMMENT ON COLUMN vantage.gaps.received_at IS 'When it was stored, by the database''s clock.';
COMMENT ON COLUMN vantage.gaps.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.gaps.slots IS
    'How many slots have no result. Fewer than are due from from_slot_at to to_slot_at: the others '
    'have one.';
COMMENT ON COLUMN vantage.gaps.agent_id IS 'vantage.agents.id: who was to run them.';
COMMENT ON COLUMN vantage.gaps.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.gaps.reason IS
    'A code of docs/gaps.md: overloaded, overlap, spool_full, clock_stepped, agent_stopped, ...';
COMMENT ON COLUMN vantage.gaps.detail IS 'More about the reason, in words. NULL: nothing to add.';
