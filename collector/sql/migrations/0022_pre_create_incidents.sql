-- Verdicts, incidents, and the rules they follow.

-- What has arrived and nobody has judged yet: the few facts that a verdict needs, in the order of
-- the commits. Whoever judges deletes what it reads; after a crash of the server the table is empty
-- and the results themselves are looked at again, so it need not be logged.
CREATE UNLOGGED TABLE vantage.arrivals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    agent_id uuid NOT NULL,
    location text NOT NULL,
    monitor_ids integer[] NOT NULL,
    slots_at_us bigint[] NOT NULL,
    outcomes text[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE vantage.arrivals IS
    'Results that no verdict has taken into account yet: written with them, in their transaction, '
    'and deleted by the collector that judges. Gone after a crash of the server, which costs nothing.';
COMMENT ON COLUMN vantage.arrivals.id IS 'Identity.';
COMMENT ON COLUMN vantage.arrivals.received_at IS 'results.received_at of all of them.';
COMMENT ON COLUMN vantage.arrivals.agent_id IS 'Whose results they are.';
COMMENT ON COLUMN vantage.arrivals.location IS 'Where they are from.';
COMMENT ON COLUMN vantage.arrivals.monitor_ids IS 'The monitors they are of, one entry a result.';
COMMENT ON COLUMN vantage.arrivals.slots_at_us IS
    'Their slots in the same order, in microseconds after the Unix epoch.';
COMMENT ON COLUMN vantage.arrivals.outcomes IS
    'Their outcomes, in the same order. Suspect results are not among them: they have no vote.';

CREATE TABLE vantage.alert_rules (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer REFERENCES vantage.accounts ON DELETE CASCADE,
    monitor_id integer UNIQUE REFERENCES vantage.monitors ON DELETE CASCADE,
    needed_locations smallint DEFAULT 2 CHECK (needed_locations BETWEEN 1 AND 100),
    needed_percent smallint CHECK (needed_percent BETWEEN 1 AND 100),
    consecutive smallint NOT NULL DEFAULT 3 CHECK (consecutive BETWEEN 1 AND 10),
    distinct_by text NOT NULL DEFAULT 'location'
        CHECK (distinct_by IN ('location', 'country', 'network')),
    closes_after_s integer NOT NULL DEFAULT 120 CHECK (closes_after_s BETWEEN 0 AND 86400),
    opens_when_degraded boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(needed_locations, needed_percent) = 1),
    CHECK (account_id IS NOT NULL OR monitor_id IS NULL)
);
CREATE UNIQUE INDEX alert_rules_account ON vantage.alert_rules (account_id)
    WHERE monitor_id IS NULL;
CREATE UNIQUE INDEX alert_rules_default ON vantage.alert_rules ((1)) WHERE account_id IS NULL;
CREATE INDEX alert_rules_accounts ON vantage.alert_rules (account_id);
COMMENT ON TABLE vantage.alert_rules IS
    'When a monitor is down, and an incident opens: of a monitor, else of its account, else of this '
    'installation. docs/alerts.md explains it; vantage.monitor_rules says which one is in force.';
COMMENT ON COLUMN vantage.alert_rules.id IS 'Identity.';
COMMENT ON COLUMN vantage.alert_rules.account_id IS
    'Whose monitors it is for. NULL: of every account that has none of its own.';
COMMENT ON COLUMN vantage.alert_rules.monitor_id IS
    'The monitor it is for. NULL: every monitor of the account that has none of its own.';
COMMENT ON COLUMN vantage.alert_rules.needed_locations IS
    'How many locations must find the monitor down; all of them where it has fewer. NULL: '
    'needed_percent says it.';
COMMENT ON COLUMN vantage.alert_rules.needed_percent IS
    'How many per cent of the locations that have a vote must find it down, rounded up. NULL: '
    'needed_locations says it.';
COMMENT ON COLUMN vantage.alert_rules.consecutive IS
    'How many results in a row a location must find down before it says so, confirmations included.';
COMMENT ON COLUMN vantage.alert_rules.distinct_by IS
    'What is counted: location, country or network (autonomous system). A location that does not '
    'state it counts as one of its own.';
COMMENT ON COLUMN vantage.alert_rules.closes_after_s IS
    'For how long, in seconds, a monitor must be well before its incident closes; doubled each time '
    'the incident is reopened.';
COMMENT ON COLUMN vantage.alert_rules.opens_when_degraded IS
    'An incident opens also where the locations find it degraded.';
COMMENT ON COLUMN vantage.alert_rules.created_at IS 'When it was made.';
INSERT INTO vantage.alert_rules DEFAULT VALUES;

CREATE TABLE vantage.verdicts (
    monitor_id integer PRIMARY KEY REFERENCES vantage.monitors ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('up', 'degraded', 'down', 'unknown')),
    since_at timestamptz NOT NULL,
    judged_at timestamptz NOT NULL,
    voting smallint NOT NULL CHECK (voting >= 0),
    needed smallint NOT NULL CHECK (needed > 0),
    failing text[] NOT NULL,
    slow text[] NOT NULL,
    failing_since_at timestamptz
);
COMMENT ON TABLE vantage.verdicts IS
    'How each monitor stands over all its locations, by its rule. Written when it changes.';
COMMENT ON COLUMN vantage.verdicts.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.verdicts.state IS
    'up, degraded, down, or unknown: too few locations have a vote.';
COMMENT ON COLUMN vantage.verdicts.since_at IS 'Since when it is in this state.';
COMMENT ON COLUMN vantage.verdicts.judged_at IS 'When something of this row last changed.';
COMMENT ON COLUMN vantage.verdicts.voting IS
    'How many locations (countries, networks: as the rule counts) had a vote.';
COMMENT ON COLUMN vantage.verdicts.needed IS 'How many of them must fail for it to be down.';
COMMENT ON COLUMN vantage.verdicts.failing IS
    'Locations that find it down, as often in a row as the rule says.';
COMMENT ON COLUMN vantage.verdicts.slow IS
    'Locations that find it degraded, as often in a row as the rule says.';
COMMENT ON COLUMN vantage.verdicts.failing_since_at IS
    'First failed slot of the location that has failed for longest. NULL: none fails.';

CREATE TABLE vantage.monitor_dependencies (
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    parent_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    PRIMARY KEY (monitor_id, parent_id),
    CHECK (monitor_id <> parent_id)
);
CREATE INDEX monitor_dependencies_parent ON vantage.monitor_dependencies (parent_id);
COMMENT ON TABLE vantage.monitor_dependencies IS
    'What a monitor cannot work without: while a parent has an open incident, its own is silent.';
COMMENT ON COLUMN vantage.monitor_dependencies.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.monitor_dependencies.parent_id IS
    'A monitor of the same account that it depends on.';

CREATE TABLE vantage.incidents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES vantage.accounts ON DELETE CASCADE,
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    severity text NOT NULL CHECK (severity IN ('down', 'degraded')),
    began_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    recovered_at timestamptz,
    closed_at timestamptz,
    reopened smallint NOT NULL DEFAULT 0,
    cause text NOT NULL,
    summary text NOT NULL,
    silenced_by bigint REFERENCES vantage.incidents ON DELETE SET NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    post_mortem text,
    CHECK (closed_at IS NULL OR recovered_at IS NOT NULL),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE UNIQUE INDEX incidents_open ON vantage.incidents (monitor_id) WHERE closed_at IS NULL;
CREATE INDEX incidents_account ON vantage.incidents (account_id, began_at DESC);
CREATE INDEX incidents_monitor ON vantage.incidents (monitor_id, began_at DESC);
CREATE INDEX incidents_silenced ON vantage.incidents (silenced_by) WHERE silenced_by IS NOT NULL;
COMMENT ON TABLE vantage.incidents IS
    'Outages that enough locations agreed on; at most one open for a monitor. What happened to each '
    'is in vantage.incident_events.';
COMMENT ON COLUMN vantage.incidents.id IS 'Identity.';
COMMENT ON COLUMN vantage.incidents.account_id IS 'Whose monitor it is about.';
COMMENT ON COLUMN vantage.incidents.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.incidents.severity IS 'The worst it has been: down or degraded.';
COMMENT ON COLUMN vantage.incidents.began_at IS 'Slot of the first failing result.';
COMMENT ON COLUMN vantage.incidents.opened_at IS 'When enough locations had agreed.';
COMMENT ON COLUMN vantage.incidents.recovered_at IS
    'Since when too few locations find it failing. NULL: enough do.';
COMMENT ON COLUMN vantage.incidents.closed_at IS
    'When it had been well for long enough. NULL: it is open.';
COMMENT ON COLUMN vantage.incidents.reopened IS
    'How often it failed again soon after it had been closed: flapping is one incident.';
COMMENT ON COLUMN vantage.incidents.cause IS 'The most frequent code of docs/failures.md.';
COMMENT ON COLUMN vantage.incidents.summary IS
    'In a sentence: what, from where, since when (UTC). The latest, until it closed.';
COMMENT ON COLUMN vantage.incidents.silenced_by IS
    'The open incident of a monitor that this one depends on: nobody is told of this one. NULL: '
    'none.';
COMMENT ON COLUMN vantage.incidents.acknowledged_at IS
    'When a person took it on. NULL: nobody has.';
COMMENT ON COLUMN vantage.incidents.acknowledged_by IS 'Who. NULL: nobody has.';
COMMENT ON COLUMN vantage.incidents.post_mortem IS
    'What was learned, in the words of a person. NULL: nothing is written.';

CREATE TABLE vantage.incident_evidence (
    incident_id bigint NOT NULL REFERENCES vantage.incidents ON DELETE CASCADE,
    location text NOT NULL,
    which text NOT NULL CHECK (which IN ('first', 'last', 'well')),
    slot_at timestamptz NOT NULL,
    total_us integer NOT NULL,
    http_status smallint,
    failure text,
    failed_phase text,
    target_ip inet,
    detail text,
    PRIMARY KEY (incident_id, location, which)
);
COMMENT ON TABLE vantage.incident_evidence IS
    'Of each location that failed in an incident: the first and the last failing result, and the '
    'first good one after it. Kept as long as the incident, when the results are gone.';
COMMENT ON COLUMN vantage.incident_evidence.incident_id IS 'The incident.';
COMMENT ON COLUMN vantage.incident_evidence.location IS 'The location.';
COMMENT ON COLUMN vantage.incident_evidence.which IS
    'first or last: of the failing results; well: the first good result after the last.';
COMMENT ON COLUMN vantage.incident_evidence.slot_at IS 'Its slot, as in vantage.results.';
COMMENT ON COLUMN vantage.incident_evidence.total_us IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.incident_evidence.http_status IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.incident_evidence.failure IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.incident_evidence.failed_phase IS
    'The last phase that it reached: dns, connect, tls, send, wait or receive. NULL: none, or well.';
COMMENT ON COLUMN vantage.incident_evidence.target_ip IS 'As in vantage.results.';
COMMENT ON COLUMN vantage.incident_evidence.detail IS 'As in vantage.results.';

CREATE TABLE vantage.incident_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES vantage.incidents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN (
        'opened', 'updated', 'worsened', 'recovered', 'relapsed', 'closed', 'reopened', 'silenced',
        'unsilenced', 'acknowledged', 'noted', 'post_mortem')),
    author text,
    detail text
);
CREATE INDEX incident_events_incident ON vantage.incident_events (incident_id, id);
COMMENT ON TABLE vantage.incident_events IS
    'What happened to incidents, in order; never changed. Notifications are made from these.';
COMMENT ON COLUMN vantage.incident_events.id IS 'Identity; later events have larger ones.';
COMMENT ON COLUMN vantage.incident_events.incident_id IS 'The incident.';
COMMENT ON COLUMN vantage.incident_events.at IS 'When.';
COMMENT ON COLUMN vantage.incident_events.kind IS
    'opened; updated: other locations fail than before; worsened: degraded became down; recovered: '
    'too few fail; relapsed: enough fail again before it closed; closed; reopened: it failed again '
    'soon after; silenced and unsilenced: by the incident of a monitor it depends on; acknowledged, '
    'noted, post_mortem: by a person.';
COMMENT ON COLUMN vantage.incident_events.author IS
    'The e-mail address or name of who did it. NULL: Vantage itself.';
COMMENT ON COLUMN vantage.incident_events.detail IS
    'The incident''s summary at that time, or the person''s words. NULL: nothing to add.';

CREATE FUNCTION vantage.notify_incidents() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY vantage_incidents;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.notify_incidents IS
    'Trigger: wakes whoever tells people, and the report centre.';
CREATE TRIGGER incident_events_added AFTER INSERT ON vantage.incident_events
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_incidents();

CREATE TABLE vantage.location_troubles (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    location text NOT NULL REFERENCES vantage.locations ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('failing', 'silent')),
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    detail text NOT NULL
);
CREATE UNIQUE INDEX location_troubles_open ON vantage.location_troubles (location, kind)
    WHERE ended_at IS NULL;
CREATE INDEX location_troubles_began ON vantage.location_troubles (began_at DESC);
COMMENT ON TABLE vantage.location_troubles IS
    'When a location itself was in trouble: for operators, customers are not told. Its results have '
    'no vote meanwhile.';
COMMENT ON COLUMN vantage.location_troubles.id IS 'Identity.';
COMMENT ON COLUMN vantage.location_troubles.location IS 'The location.';
COMMENT ON COLUMN vantage.location_troubles.kind IS
    'failing: many monitors failed from here only; silent: none of its agents answered.';
COMMENT ON COLUMN vantage.location_troubles.began_at IS 'When it was noticed.';
COMMENT ON COLUMN vantage.location_troubles.ended_at IS 'When it was over. NULL: it is not.';
COMMENT ON COLUMN vantage.location_troubles.detail IS 'What was seen, in a sentence.';
CREATE TRIGGER location_troubles_changed AFTER INSERT OR UPDATE ON vantage.location_troubles
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_incidents();

ALTER TABLE vantage.alert_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.alert_rules FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.verdicts ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.verdicts FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_dependencies ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.monitor_dependencies FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.incidents FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_evidence FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.incident_events FORCE ROW LEVEL SECURITY;
