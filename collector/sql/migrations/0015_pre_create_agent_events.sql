-- Results declared lost, and what happened to agents.

ALTER TABLE vantage.incarnations
    ADD COLUMN payload_crc32 bigint,
    ADD COLUMN running_at timestamptz,
    ADD COLUMN superseded_at timestamptz;
COMMENT ON COLUMN vantage.incarnations.payload_crc32 IS
    'CRC-32 of the encoded result at the high water: an agent that has another one there is a copy, '
    'or has one. NULL: that result was declared lost, or stored by an older collector.';
COMMENT ON COLUMN vantage.incarnations.running_at IS
    'When a process first said that it appends to it. NULL: none did.';
COMMENT ON COLUMN vantage.incarnations.superseded_at IS
    'When a process said that it appends to a later one. NULL: none did.';

CREATE TABLE vantage.skips (
    agent_id uuid NOT NULL,
    incarnation bytea NOT NULL,
    from_seq bigint NOT NULL CHECK (from_seq > 0),
    to_seq bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    PRIMARY KEY (agent_id, incarnation, from_seq),
    CHECK (from_seq <= to_seq)
);
COMMENT ON TABLE vantage.skips IS
    'Results that an agent had made durable and declared lost: they are never delivered. Their slots '
    'are in vantage.gaps, as far as the agent could still read them.';
COMMENT ON COLUMN vantage.skips.agent_id IS 'The agent.';
COMMENT ON COLUMN vantage.skips.incarnation IS 'Its incarnation.';
COMMENT ON COLUMN vantage.skips.from_seq IS 'Sequence number of the first one lost.';
COMMENT ON COLUMN vantage.skips.to_seq IS 'Sequence number of the last one lost.';
COMMENT ON COLUMN vantage.skips.received_at IS 'When it was stored.';
COMMENT ON COLUMN vantage.skips.reason IS
    'spool_full, spool_expired, spool_damaged or database_restored; docs/protocol.md explains them.';

CREATE TABLE vantage.agent_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    agent_id uuid NOT NULL REFERENCES vantage.agents ON DELETE CASCADE,
    location text NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
    detail text
);
CREATE INDEX agent_events_agent ON vantage.agent_events (agent_id, at DESC);
COMMENT ON TABLE vantage.agent_events IS
    'What happened to agents that somebody should know; docs/operations.md lists the kinds.';
COMMENT ON COLUMN vantage.agent_events.id IS 'Identity, in the order in which they were noted.';
COMMENT ON COLUMN vantage.agent_events.at IS 'When it happened, by the database''s clock.';
COMMENT ON COLUMN vantage.agent_events.agent_id IS 'vantage.agents.id.';
COMMENT ON COLUMN vantage.agent_events.location IS 'Where the agent is.';
COMMENT ON COLUMN vantage.agent_events.kind IS 'offline, online, copy_detected, copy_refused, ...';
COMMENT ON COLUMN vantage.agent_events.detail IS 'More about it, in words. NULL: nothing to add.';
