-- What is usual for a monitor, and rules that open an incident for what is slower than that.

CREATE TABLE vantage.baselines (
    hour_at timestamptz NOT NULL,
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    results integer NOT NULL,
    usual_us integer,
    spread_us integer,
    day_before_us integer,
    weeks smallint NOT NULL,
    location text NOT NULL,
    phase text NOT NULL,
    PRIMARY KEY (monitor_id, location, phase, hour_at)
);
COMMENT ON TABLE vantage.baselines IS
    'What is usual in this hour of the week, the one before and the next, made from the same hour of '
    'six weeks before. Any other hour: vantage.baselines_at. docs/alerts.md explains it.';
COMMENT ON COLUMN vantage.baselines.hour_at IS 'When the hour begins that it is for.';
COMMENT ON COLUMN vantage.baselines.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.baselines.results IS
    'How many timed results of this phase, neither down nor suspect, it is made from.';
COMMENT ON COLUMN vantage.baselines.usual_us IS
    'Their median. NULL: not enough history, fewer than 20 results or fewer than 3 weeks.';
COMMENT ON COLUMN vantage.baselines.spread_us IS
    'How far the middle half of them lies apart. NULL: not enough history.';
COMMENT ON COLUMN vantage.baselines.day_before_us IS
    'The median of the same hour of the day before: what was as slow then is no news. NULL: it has '
    'no results.';
COMMENT ON COLUMN vantage.baselines.weeks IS 'Of how many weeks these results are, six at most.';
COMMENT ON COLUMN vantage.baselines.location IS 'The location.';
COMMENT ON COLUMN vantage.baselines.phase IS
    'total, or a phase: dns, connect, tls, send, wait, receive.';
ALTER TABLE vantage.baselines ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.baselines FORCE ROW LEVEL SECURITY;

ALTER TABLE vantage.alert_rules
    ADD COLUMN slower_factor numeric(4, 1) CHECK (slower_factor BETWEEN 1.5 AND 100),
    ADD COLUMN slower_phase text NOT NULL DEFAULT 'total'
        CHECK (slower_phase IN ('total', 'dns', 'connect', 'tls', 'send', 'wait', 'receive')),
    ADD COLUMN slower_for_s integer NOT NULL DEFAULT 900 CHECK (slower_for_s BETWEEN 300 AND 3600),
    ADD COLUMN slower_locations smallint NOT NULL DEFAULT 2
        CHECK (slower_locations BETWEEN 1 AND 100);
COMMENT ON COLUMN vantage.alert_rules.slower_factor IS
    'A monitor is degraded, and an incident opens, when it takes so many times as long as is usual '
    'at this hour of the week. NULL: that opens none.';
COMMENT ON COLUMN vantage.alert_rules.slower_phase IS 'What is compared: total, or a phase.';
COMMENT ON COLUMN vantage.alert_rules.slower_for_s IS
    'The median of so many seconds is compared; of five intervals, where these take longer.';
COMMENT ON COLUMN vantage.alert_rules.slower_locations IS
    'From how many locations it must be slower; all of them where it has fewer.';

ALTER TABLE vantage.verdicts ADD COLUMN slower text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN vantage.verdicts.slower IS
    'Locations from which it is slower than usual, where they are as many as the rule asks for; '
    'else none.';
