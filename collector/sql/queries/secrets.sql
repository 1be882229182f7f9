-- sealed --
SELECT
    monitor_id,
    names,
    key_id,
    nonce,
    sealed,
    set_at
FROM vantage.monitor_secrets
ORDER BY monitor_id
FOR UPDATE

-- sealed_of --
SELECT
    key_id,
    nonce,
    sealed
FROM vantage.monitor_secrets
WHERE monitor_id = %(monitor_id)s

-- store --
INSERT INTO vantage.monitor_secrets (monitor_id, names, key_id, nonce, sealed)
VALUES (%(monitor_id)s, %(names)s, %(key_id)s, %(nonce)s, %(sealed)s)
ON CONFLICT (monitor_id)
DO UPDATE SET
    names = excluded.names,
    key_id = excluded.key_id,
    nonce = excluded.nonce,
    sealed = excluded.sealed,
    set_at = now()

-- reseal --
UPDATE vantage.monitor_secrets
SET
    key_id = %(key_id)s,
    nonce = %(nonce)s,
    sealed = %(sealed)s
WHERE monitor_id = %(monitor_id)s

-- forget --
DELETE FROM vantage.monitor_secrets
WHERE monitor_id = %(monitor_id)s
RETURNING monitor_id
