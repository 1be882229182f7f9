-- What configuration files define, so that they find it again when it is called otherwise.

CREATE TABLE vantage.applied (
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    kind text NOT NULL,
    key text NOT NULL,
    object_id integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, kind, key),
    UNIQUE (kind, object_id)
);
COMMENT ON TABLE vantage.applied IS
    'What vantage apply has made or taken over; what is not here it never removes.';
COMMENT ON COLUMN vantage.applied.account_id IS 'Whose it is.';
COMMENT ON COLUMN vantage.applied.kind IS 'What it is: monitor, maintenance, ...';
COMMENT ON COLUMN vantage.applied.key IS 'What the files call it.';
COMMENT ON COLUMN vantage.applied.object_id IS 'Identity in the table of its kind.';
COMMENT ON COLUMN vantage.applied.applied_at IS 'When a file last defined it.';
