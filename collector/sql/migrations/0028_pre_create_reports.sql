-- Reports of a month, as they were shown: what amends one later makes a new revision.

CREATE TABLE vantage.reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    parameters jsonb NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    made_at timestamptz NOT NULL DEFAULT now(),
    content jsonb NOT NULL,
    UNIQUE (account_id, month, parameters, revision)
);
COMMENT ON TABLE vantage.reports IS
    'Reports of months that are over, as somebody saw them. One that would say something else by now '
    'is kept, and a new revision added: late results, or maintenance that was entered afterwards.';
COMMENT ON COLUMN vantage.reports.id IS 'Identity.';
COMMENT ON COLUMN vantage.reports.account_id IS 'Whose report it is.';
COMMENT ON COLUMN vantage.reports.month IS 'The month''s first day; months are those of UTC.';
COMMENT ON COLUMN vantage.reports.parameters IS 'Which monitors and objectives it is about.';
COMMENT ON COLUMN vantage.reports.revision IS '1, 2, ...';
COMMENT ON COLUMN vantage.reports.made_at IS 'When it was first seen like this.';
COMMENT ON COLUMN vantage.reports.content IS 'Its figures, one entry a monitor.';

ALTER TABLE vantage.reports ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.reports FORCE ROW LEVEL SECURITY;
