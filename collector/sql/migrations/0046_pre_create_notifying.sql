-- What was over before any notifier looked is told when one is back; that takes knowing when one last did.
CREATE TABLE vantage.notifying (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    looked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.notifying IS 'When vantage-collector notify last decided what is to be told. One row.';
COMMENT ON COLUMN vantage.notifying.is_only IS 'True: there is one row.';
COMMENT ON COLUMN vantage.notifying.looked_at IS
    'When it did, within 5 s. Long ago: none runs, and nobody is told.';
INSERT INTO vantage.notifying DEFAULT VALUES;
