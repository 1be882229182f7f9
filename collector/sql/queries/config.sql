-- lock --
SELECT pg_advisory_xact_lock(hashtext('vantage apply'))

-- applied --
SELECT
    key,
    object_id
FROM vantage.applied
WHERE account_id = %(account_id)s
    AND kind = %(kind)s

-- keep --
INSERT INTO vantage.applied (account_id, kind, key, object_id)
VALUES (%(account_id)s, %(kind)s, %(key)s, %(object_id)s)
ON CONFLICT (account_id, kind, key)
DO UPDATE SET
    object_id = excluded.object_id,
    applied_at = now()

-- forget --
DELETE FROM vantage.applied
WHERE account_id = %(account_id)s
    AND kind = %(kind)s
    AND key = %(key)s

-- update_location --
UPDATE vantage.locations
SET
    title = %(title)s,
    region = %(region)s,
    country = %(country)s,
    latitude = %(latitude)s,
    longitude = %(longitude)s,
    asn = %(asn)s
WHERE name = %(name)s
