-- Telling people: where they want to be told, and what is to be told, once.

CREATE TABLE vantage.sealing_keys (
    key_id text PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{16}$'),
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.sealing_keys IS
    'Public keys that channels'' addresses are sealed to. What opens them is in a file of whoever '
    'tells (docs/notifications.md), never in the database; the report centre can seal, not open.';
COMMENT ON COLUMN vantage.sealing_keys.key_id IS 'Which key of the file it belongs to.';
COMMENT ON COLUMN vantage.sealing_keys.public_key IS 'X25519.';
COMMENT ON COLUMN vantage.sealing_keys.created_at IS 'When it was published; the newest is in use.';

CREATE TABLE vantage.channels (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer REFERENCES vantage.accounts ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    kind text NOT NULL CHECK (kind IN ('mail', 'webhook', 'service')),
    hint text NOT NULL CHECK (hint <> ''),
    key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
    sealed bytea NOT NULL,
    least_severity text NOT NULL DEFAULT 'degraded'
        CHECK (least_severity IN ('degraded', 'down')),
    monitor_ids integer[] CHECK (cardinality(monitor_ids) > 0),
    delay_s integer NOT NULL DEFAULT 0 CHECK (delay_s BETWEEN 0 AND 86400),
    remind_s integer CHECK (remind_s BETWEEN 300 AND 604800),
    spacing_s integer NOT NULL DEFAULT 60 CHECK (spacing_s BETWEEN 0 AND 3600),
    quiet_from time,
    quiet_to time,
    time_zone text NOT NULL DEFAULT 'UTC' CHECK (time_zone <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    muted_at timestamptz,
    lease uuid,
    leased_until timestamptz,
    last_sent_at timestamptz,
    failing_since_at timestamptz,
    last_error text,
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
    UNIQUE NULLS NOT DISTINCT (account_id, name)
);
COMMENT ON TABLE vantage.channels IS
    'Where people, or programs, are told: an e-mail address, a webhook, or one of a hundred services.';
COMMENT ON COLUMN vantage.channels.id IS 'Identity.';
COMMENT ON COLUMN vantage.channels.account_id IS
    'Whose incidents it is told. NULL: the operators'', of locations and agents.';
COMMENT ON COLUMN vantage.channels.name IS 'As shown to people.';
COMMENT ON COLUMN vantage.channels.kind IS
    'mail; webhook: signed JSON for programs; service: an Apprise URL.';
COMMENT ON COLUMN vantage.channels.hint IS
    'What people recognise its address by: the e-mail address, or only scheme and host.';
COMMENT ON COLUMN vantage.channels.key_id IS 'Which key opens sealed.';
COMMENT ON COLUMN vantage.channels.sealed IS
    'Its address, and a webhook''s signing secret: HPKE, bound to the account.';
COMMENT ON COLUMN vantage.channels.least_severity IS 'Incidents less severe are not told: degraded, down.';
COMMENT ON COLUMN vantage.channels.monitor_ids IS 'Only these monitors'' incidents. NULL: all.';
COMMENT ON COLUMN vantage.channels.delay_s IS
    'An escalation step: told when an incident has lasted this long, in seconds, and nobody has '
    'acknowledged it. 0: at once.';
COMMENT ON COLUMN vantage.channels.remind_s IS
    'Told again this often, in seconds, while an incident is open and not acknowledged. NULL: never.';
COMMENT ON COLUMN vantage.channels.spacing_s IS
    'Seconds between two messages: what happens meanwhile is told in one. Not for webhooks.';
COMMENT ON COLUMN vantage.channels.quiet_from IS
    'From when each day nothing is told until quiet_to, by time_zone''s clocks. NULL: told always.';
COMMENT ON COLUMN vantage.channels.quiet_to IS 'When it is told again; then what came meanwhile.';
COMMENT ON COLUMN vantage.channels.time_zone IS 'IANA name.';
COMMENT ON COLUMN vantage.channels.created_at IS 'When it was made; nothing older is told.';
COMMENT ON COLUMN vantage.channels.muted_at IS 'Since when nothing is told. NULL: it is in use.';
COMMENT ON COLUMN vantage.channels.lease IS 'Which sender works on it. NULL: none.';
COMMENT ON COLUMN vantage.channels.leased_until IS
    'When another sender may take over, because that one must have died. NULL: none works on it.';
COMMENT ON COLUMN vantage.channels.last_sent_at IS 'When something last arrived. NULL: never.';
COMMENT ON COLUMN vantage.channels.failing_since_at IS
    'Since when nothing arrives. NULL: the last message did.';
COMMENT ON COLUMN vantage.channels.last_error IS
    'Why, without any secret. NULL: the last message arrived.';

CREATE TABLE vantage.notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id integer NOT NULL REFERENCES vantage.channels ON DELETE CASCADE,
    step text NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'opened', 'reminder', 'worsened', 'acknowledged', 'closed', 'certificate', 'trouble',
        'trouble_over', 'test')),
    incident_id bigint REFERENCES vantage.incidents ON DELETE CASCADE,
    content jsonb NOT NULL,
    batch uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    sent_at timestamptz,
    given_up_at timestamptz,
    last_error text,
    UNIQUE (channel_id, step),
    CHECK (sent_at IS NULL OR given_up_at IS NULL)
);
CREATE INDEX notifications_waiting ON vantage.notifications (channel_id, due_at)
    WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX notifications_incident ON vantage.notifications (incident_id);
CREATE INDEX notifications_created ON vantage.notifications (created_at);
COMMENT ON TABLE vantage.notifications IS
    'What is told to a channel, once: a queue, and the record of what was told.';
COMMENT ON COLUMN vantage.notifications.id IS
    'Identity; the Idempotency-Key of a webhook, and part of a mail''s Message-ID.';
COMMENT ON COLUMN vantage.notifications.channel_id IS 'Who is told.';
COMMENT ON COLUMN vantage.notifications.step IS
    'What it is about, once per channel: incident 12 opened 0, incident 12 reminder 0.3, ...';
COMMENT ON COLUMN vantage.notifications.kind IS
    'opened, reminder, worsened, acknowledged, closed: of an incident; certificate: it expires soon; '
    'trouble, trouble_over: of a location, for operators; test.';
COMMENT ON COLUMN vantage.notifications.incident_id IS 'Which incident. NULL: none.';
COMMENT ON COLUMN vantage.notifications.content IS 'The facts, as they were when it was decided.';
COMMENT ON COLUMN vantage.notifications.batch IS
    'Which message it is told in, together with others; the same at every try, so that a receiver '
    'recognises a message that it has. NULL: not tried yet.';
COMMENT ON COLUMN vantage.notifications.created_at IS 'When it was decided.';
COMMENT ON COLUMN vantage.notifications.due_at IS
    'When it may be sent: after quiet hours, and after a pause where sending failed.';
COMMENT ON COLUMN vantage.notifications.attempts IS 'How often sending was tried.';
COMMENT ON COLUMN vantage.notifications.sent_at IS 'When it was handed over. NULL: not yet.';
COMMENT ON COLUMN vantage.notifications.given_up_at IS
    'When it was given up, a day after it was due. NULL: it was not.';
COMMENT ON COLUMN vantage.notifications.last_error IS
    'Why the last try failed, without any secret. NULL: none did.';

ALTER TABLE vantage.channels ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.channels FORCE ROW LEVEL SECURITY;
ALTER TABLE vantage.notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE vantage.notifications FORCE ROW LEVEL SECURITY;
