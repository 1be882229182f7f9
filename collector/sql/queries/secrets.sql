-- sealed --
SELECT
    monitors.account_id,
    secrets.monitor_id,
    secrets.name,
    secrets.key_id,
    encode(secrets.sealed, 'hex') AS sealed,
    encode(secrets.nonce, 'hex') AS nonce,
    secrets.set_at
FROM vantage.secrets
JOIN vantage.monitors ON monitors.id = secrets.monitor_id
ORDER BY secrets.monitor_id, secrets.name COLLATE "C"
FOR UPDATE OF secrets

-- sealed_of --
SELECT
    monitors.account_id,
    secrets.monitor_id,
    secrets.name,
    secrets.key_id,
    encode(secrets.sealed, 'hex') AS sealed,
    encode(secrets.nonce, 'hex') AS nonce
FROM vantage.secrets
JOIN vantage.monitors ON monitors.id = secrets.monitor_id
WHERE secrets.monitor_id = %(monitor_id)s
ORDER BY secrets.name COLLATE "C"

-- account_of --
SELECT account_id
FROM vantage.monitors
WHERE id = %(monitor_id)s

-- store --
INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed)
VALUES (%(monitor_id)s, %(name)s, %(key_id)s, %(sealed)s)
ON CONFLICT (monitor_id, name)
DO UPDATE SET
    key_id = excluded.key_id,
    sealed = excluded.sealed,
    nonce = NULL,
    set_at = now()

-- reseal --
UPDATE vantage.secrets
SET
    key_id = %(key_id)s,
    sealed = %(sealed)s,
    nonce = NULL
WHERE monitor_id = %(monitor_id)s
    AND name = %(name)s

-- keep_only --
DELETE FROM vantage.secrets
WHERE monitor_id = %(monitor_id)s
    AND name <> ALL (%(names)s)
RETURNING name
