-- On which terms a monitor's requests are made, and the secrets that some of them need.

ALTER TABLE vantage.monitors
    ADD COLUMN is_paired boolean NOT NULL DEFAULT false,
    ADD COLUMN client_certificate text,
    ADD COLUMN authority text,
    ADD COLUMN proxy text CHECK (proxy ~ '^(http|https|socks5h)://[^/?#@]+:[0-9]+$'),
    ADD COLUMN connect_to inet CHECK (masklen(connect_to) = CASE family(connect_to) WHEN 4 THEN 32 ELSE 128 END),
    ADD COLUMN name_server text CHECK (name_server ~ ':[0-9]+$'),
    ADD COLUMN phase_timeouts jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(phase_timeouts) = 'object'),
    ADD CONSTRAINT monitors_pair_of_both CHECK (NOT is_paired OR ip_version IS NULL);
COMMENT ON COLUMN vantage.monitors.is_paired IS
    'Each slot is run over IPv4 and IPv6 at the same time: the result is about the worse run, or '
    'else the slower; the exchanges of the other are in vantage.exchanges as pairs.';
COMMENT ON COLUMN vantage.monitors.client_certificate IS
    'PEM: shown to the server; its key is among the secrets. NULL: none.';
COMMENT ON COLUMN vantage.monitors.authority IS
    'PEM of the authorities that are trusted instead of all others. NULL: those of the agent.';
COMMENT ON COLUMN vantage.monitors.proxy IS
    'http://, https:// or socks5h://host:port to go through. NULL: none.';
COMMENT ON COLUMN vantage.monitors.connect_to IS
    'Connected to instead of looking the URL''s host up. NULL: it is looked up.';
COMMENT ON COLUMN vantage.monitors.name_server IS
    'address:port of the name server to ask. NULL: the agent''s own.';
COMMENT ON COLUMN vantage.monitors.phase_timeouts IS
    'How long phases of one exchange may take, in microseconds: {"wait": 300000, ...}.';

CREATE TABLE vantage.monitor_secrets (
    monitor_id integer PRIMARY KEY REFERENCES vantage.monitors ON DELETE CASCADE,
    names text[] NOT NULL CHECK (cardinality(names) > 0),
    key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
    nonce bytea NOT NULL CHECK (length(nonce) = 12),
    sealed bytea NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.monitor_secrets IS
    'What monitors must know and nobody else. The database never sees it: it is sealed with a key '
    'in a file of the collector (docs/operations.md), and bound to the monitor''s id.';
COMMENT ON COLUMN vantage.monitor_secrets.monitor_id IS 'Whose secrets they are.';
COMMENT ON COLUMN vantage.monitor_secrets.names IS
    'What is set: names of headers, "client key", "proxy password".';
COMMENT ON COLUMN vantage.monitor_secrets.key_id IS 'Which key of the file opens them.';
COMMENT ON COLUMN vantage.monitor_secrets.nonce IS 'Of AES-256-GCM, new with every seal.';
COMMENT ON COLUMN vantage.monitor_secrets.sealed IS 'Ciphertext and tag.';
COMMENT ON COLUMN vantage.monitor_secrets.set_at IS 'When a person last set them.';

-- A secret goes where it was meant to go. Whoever changes where that is must set it again, so that
-- nobody learns it who may edit a monitor and was never told.
CREATE FUNCTION vantage.forget_secrets() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NEW.removed_at IS NOT NULL
        OR substring(OLD.url FROM '^[^:]+://[^/?#]+') IS DISTINCT FROM
            substring(NEW.url FROM '^[^:]+://[^/?#]+')
        OR (OLD.is_insecure, OLD.authority, OLD.proxy, OLD.connect_to, OLD.name_server)
            IS DISTINCT FROM
            (NEW.is_insecure, NEW.authority, NEW.proxy, NEW.connect_to, NEW.name_server)
    THEN
        DELETE FROM vantage.monitor_secrets WHERE monitor_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION vantage.forget_secrets IS
    'Trigger: a monitor that is removed, or that leads elsewhere, loses its secrets.';
REVOKE ALL ON FUNCTION vantage.forget_secrets FROM PUBLIC;
CREATE TRIGGER monitors_led_elsewhere AFTER UPDATE ON vantage.monitors
    FOR EACH ROW EXECUTE FUNCTION vantage.forget_secrets();
CREATE TRIGGER monitor_secrets_changed AFTER INSERT OR UPDATE OR DELETE ON vantage.monitor_secrets
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_assignments();
