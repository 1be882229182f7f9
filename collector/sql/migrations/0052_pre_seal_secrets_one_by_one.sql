-- One row for each secret, so that the report centre, which can seal and never open, can set and
-- remove one without knowing the others. vantage.monitor_secrets goes once no view reads it.
CREATE TABLE vantage.secrets (
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    key_id text NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
    sealed bytea NOT NULL,
    nonce bytea CHECK (length(nonce) = 12),
    set_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (monitor_id, name)
);
COMMENT ON TABLE vantage.secrets IS
    'What monitors must know and nobody else. The database never sees it: it is sealed to a public '
    'key (vantage.sealing_keys) whose private key is in a file of the collectors '
    '(docs/operations.md), and bound to account, monitor and name.';
COMMENT ON COLUMN vantage.secrets.monitor_id IS 'Whose secret it is.';
COMMENT ON COLUMN vantage.secrets.name IS
    'What it is: the name of a header, "client key" or "proxy password".';
COMMENT ON COLUMN vantage.secrets.key_id IS 'Which key of the file opens it.';
COMMENT ON COLUMN vantage.secrets.sealed IS 'HPKE: encapsulated key, ciphertext and tag.';
COMMENT ON COLUMN vantage.secrets.nonce IS
    'NULL. Else sealed is as it was before there was a row for each: AES-256-GCM with this nonce, '
    'all secrets of the monitor in one; the next collector to start seals it anew.';
COMMENT ON COLUMN vantage.secrets.set_at IS 'When a person last set it.';

INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed, nonce, set_at)
SELECT DISTINCT ON (monitor_id, name) monitor_id, name, key_id, sealed, nonce, set_at
FROM vantage.monitor_secrets
CROSS JOIN LATERAL unnest(names) AS name;

CREATE OR REPLACE FUNCTION vantage.forget_secrets() RETURNS trigger
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
        DELETE FROM vantage.secrets WHERE monitor_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

-- Not forced: the trigger above runs as the owner, and must find every row.
ALTER TABLE vantage.secrets ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER secrets_changed AFTER INSERT OR UPDATE OR DELETE ON vantage.secrets
    FOR EACH STATEMENT EXECUTE FUNCTION vantage.notify_assignments();

COMMENT ON TABLE vantage.sealing_keys IS
    'Public keys that channels'' addresses and monitors'' secrets are sealed to. What opens them is '
    'in a file of the collectors and of whoever tells (docs/operations.md), never in the database; '
    'the report centre can seal, not open.';
