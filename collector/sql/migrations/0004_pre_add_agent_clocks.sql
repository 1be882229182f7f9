-- How far each agent's clock is off, learnt from its heartbeats.

ALTER TABLE vantage.agents
    ADD COLUMN clock_offset_us bigint,
    ADD COLUMN clock_uncertainty_us bigint CHECK (clock_uncertainty_us >= 0),
    ADD COLUMN is_clock_off boolean NOT NULL DEFAULT false,
    ADD CHECK ((clock_offset_us IS NULL) = (clock_uncertainty_us IS NULL));
COMMENT ON COLUMN vantage.agents.clock_offset_us IS
    'How far its clock was ahead of the collector''s at its last heartbeat; negative: behind. The '
    'true offset lies within clock_uncertainty_us of it. NULL: never compared.';
COMMENT ON COLUMN vantage.agents.clock_uncertainty_us IS
    'How far clock_offset_us may be wrong, either way. NULL: never compared.';
COMMENT ON COLUMN vantage.agents.is_clock_off IS
    'Its clock is certainly off by more than the collector''s --clock-bound.';

CREATE TABLE vantage.agent_clocks (
    agent_id uuid NOT NULL REFERENCES vantage.agents ON DELETE CASCADE,
    measured_at timestamptz NOT NULL DEFAULT now(),
    offset_us bigint NOT NULL,
    uncertainty_us bigint NOT NULL CHECK (uncertainty_us >= 0),
    PRIMARY KEY (agent_id, measured_at)
);
COMMENT ON TABLE vantage.agent_clocks IS
    'How far agents'' clocks were off, over time: a row for each connection, then whenever the '
    'offset moved by more than it is uncertain (and 10 ms), and at least once an hour. '
    'docs/operations.md shows how to correct a result''s times by it.';
COMMENT ON COLUMN vantage.agent_clocks.agent_id IS 'The agent.';
COMMENT ON COLUMN vantage.agent_clocks.measured_at IS 'When, by the database''s clock.';
COMMENT ON COLUMN vantage.agent_clocks.offset_us IS
    'How far the agent''s clock was ahead of the collector''s; negative: behind.';
COMMENT ON COLUMN vantage.agent_clocks.uncertainty_us IS
    'The true offset lay within this of offset_us.';
