-- Maintenance that comes again: rules, each of which makes windows in vantage.maintenance.

CREATE TABLE vantage.maintenance_rules (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    monitor_id integer REFERENCES vantage.monitors ON DELETE CASCADE,
    first_at timestamp NOT NULL,
    time_zone text NOT NULL CHECK (time_zone <> ''),
    duration_s integer NOT NULL CHECK (duration_s BETWEEN 60 AND 604800),
    rule text NOT NULL CHECK (
        length(rule) <= 200
        AND rule ~ ('^FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)('
            ';INTERVAL=[1-9][0-9]{0,2}'
            '|;COUNT=[1-9][0-9]{0,3}'
            '|;UNTIL=[0-9]{8}T[0-9]{6}Z'
            '|;BYDAY=([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)(,([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU))*'
            '|;BYMONTHDAY=-?([1-9]|[12][0-9]|3[01])(,-?([1-9]|[12][0-9]|3[01]))*'
            '|;BYMONTH=([1-9]|1[0-2])(,([1-9]|1[0-2]))*'
            '|;BYSETPOS=-?[1-9][0-9]?'
            '|;WKST=(MO|TU|WE|TH|FR|SA|SU))*$')),
    title text NOT NULL DEFAULT '',
    planned_to_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX maintenance_rules_account ON vantage.maintenance_rules (account_id);
COMMENT ON TABLE vantage.maintenance_rules IS
    'Maintenance that comes again. A collector makes the windows of the next three months in '
    'vantage.maintenance; nothing else is read by what counts or tells.';
COMMENT ON COLUMN vantage.maintenance_rules.id IS 'Identity.';
COMMENT ON COLUMN vantage.maintenance_rules.account_id IS 'Whose monitors it is about.';
COMMENT ON COLUMN vantage.maintenance_rules.monitor_id IS
    'The monitor it is about. NULL: every monitor of the account.';
COMMENT ON COLUMN vantage.maintenance_rules.first_at IS
    'When the first window begins, by the clocks of time_zone.';
COMMENT ON COLUMN vantage.maintenance_rules.time_zone IS
    'IANA name: windows begin at the same time by the clock, summer and winter.';
COMMENT ON COLUMN vantage.maintenance_rules.duration_s IS 'How long each window lasts, in seconds.';
COMMENT ON COLUMN vantage.maintenance_rules.rule IS
    'How it comes again, RFC 5545: FREQ=WEEKLY;BYDAY=SU. UNTIL is in UTC.';
COMMENT ON COLUMN vantage.maintenance_rules.title IS 'As shown to people. Empty: nothing to say.';
COMMENT ON COLUMN vantage.maintenance_rules.planned_to_at IS
    'Up to when its windows are made. NULL: none is yet.';
COMMENT ON COLUMN vantage.maintenance_rules.created_at IS
    'When it was entered; it has no window that was over by then.';

ALTER TABLE vantage.maintenance_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.maintenance_rules FORCE ROW LEVEL SECURITY;

ALTER TABLE vantage.maintenance
    ADD COLUMN rule_id integer REFERENCES vantage.maintenance_rules ON DELETE SET NULL;
CREATE UNIQUE INDEX maintenance_rule ON vantage.maintenance (rule_id, from_at);
COMMENT ON COLUMN vantage.maintenance.rule_id IS
    'Which rule made it. NULL: none, or one that was removed since.';
