-- When a customer works on what is watched: such time counts for no availability.

CREATE TABLE vantage.maintenance (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    monitor_id integer REFERENCES vantage.monitors ON DELETE CASCADE,
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL,
    title text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (from_at < to_at)
);
CREATE INDEX maintenance_account ON vantage.maintenance (account_id, to_at);
COMMENT ON TABLE vantage.maintenance IS
    'Spans of time in which results of a monitor count for no availability.';
COMMENT ON COLUMN vantage.maintenance.id IS 'Identity.';
COMMENT ON COLUMN vantage.maintenance.account_id IS 'Whose monitors it is about.';
COMMENT ON COLUMN vantage.maintenance.monitor_id IS
    'The monitor it is about. NULL: every monitor of the account.';
COMMENT ON COLUMN vantage.maintenance.from_at IS 'When it begins.';
COMMENT ON COLUMN vantage.maintenance.to_at IS 'When it ends, not included.';
COMMENT ON COLUMN vantage.maintenance.title IS 'As shown to people. Empty: nothing to say.';
COMMENT ON COLUMN vantage.maintenance.created_at IS
    'When it was entered; one entered afterwards amends reports.';

ALTER TABLE vantage.maintenance ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.maintenance FORCE ROW LEVEL SECURITY;
