-- Reports that are mailed by themselves, every month or every week.

CREATE TABLE vantage.report_schedules (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    period text NOT NULL CHECK (period IN ('month', 'week')),
    day smallint NOT NULL,
    at time NOT NULL,
    time_zone text NOT NULL CHECK (time_zone <> ''),
    monitor_ids integer[] CHECK (cardinality(monitor_ids) > 0),
    objective numeric NOT NULL CHECK (objective BETWEEN 0 AND 100),
    limit_us integer CHECK (limit_us >= 1000),
    share numeric NOT NULL CHECK (share BETWEEN 0 AND 100),
    has_revisions boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    looked_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name),
    CHECK (day BETWEEN 1 AND CASE period WHEN 'month' THEN 28 ELSE 7 END)
);
COMMENT ON TABLE vantage.report_schedules IS
    'Reports that are mailed by themselves: of the month, or week, before, once each.';
COMMENT ON COLUMN vantage.report_schedules.id IS 'Identity.';
COMMENT ON COLUMN vantage.report_schedules.account_id IS 'Whose report it is.';
COMMENT ON COLUMN vantage.report_schedules.name IS 'As shown to people, and in the subject.';
COMMENT ON COLUMN vantage.report_schedules.period IS 'What a report is about: month or week.';
COMMENT ON COLUMN vantage.report_schedules.day IS
    'On which day it is mailed: of the month, 1 to 28, or of the week, 1 (Monday) to 7.';
COMMENT ON COLUMN vantage.report_schedules.at IS 'When on that day, by time_zone''s clocks.';
COMMENT ON COLUMN vantage.report_schedules.time_zone IS 'IANA name.';
COMMENT ON COLUMN vantage.report_schedules.monitor_ids IS 'Only these monitors. NULL: all.';
COMMENT ON COLUMN vantage.report_schedules.objective IS 'Availability, in percent.';
COMMENT ON COLUMN vantage.report_schedules.limit_us IS 'Response time. NULL: no objective for it.';
COMMENT ON COLUMN vantage.report_schedules.share IS
    'Of the response times within limit_us, in percent.';
COMMENT ON COLUMN vantage.report_schedules.has_revisions IS
    'Mailed again when late results or maintenance amend a month that was mailed.';
COMMENT ON COLUMN vantage.report_schedules.created_at IS 'When it was made; nothing older is mailed.';
COMMENT ON COLUMN vantage.report_schedules.looked_at IS 'When a revision was last looked for.';

CREATE TABLE vantage.report_recipients (
    schedule_id integer NOT NULL REFERENCES vantage.report_schedules ON DELETE CASCADE,
    user_id integer NOT NULL REFERENCES vantage.users ON DELETE CASCADE,
    PRIMARY KEY (schedule_id, user_id)
);
CREATE INDEX report_recipients_user ON vantage.report_recipients (user_id);
COMMENT ON TABLE vantage.report_recipients IS 'To which members a report is mailed.';
COMMENT ON COLUMN vantage.report_recipients.schedule_id IS 'Which one.';
COMMENT ON COLUMN vantage.report_recipients.user_id IS 'Who gets it; a member of the account.';
