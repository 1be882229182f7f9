-- remember_authority --
INSERT INTO vantage.authorities (public_key_sha256, certificate, signs_from)
VALUES (%(public_key_sha256)s, %(certificate)s, %(signs_from)s)
ON CONFLICT (public_key_sha256) DO NOTHING

-- newest_authority --
SELECT public_key_sha256
FROM vantage.authorities
-- A collector's clock may be a little ahead.
WHERE signs_from <= now() + INTERVAL '1 minute'
ORDER BY signs_from DESC
LIMIT 1

-- issue_token --
INSERT INTO vantage.enrolment_tokens (secret_hash, location, agent_id, expires_at)
SELECT
    %(secret_hash)s,
    %(location)s,
    %(agent_id)s,
    -- Its pin is good until another authority signs.
    LEAST(now() + %(lifetime)s, min(signs_from))
FROM vantage.authorities
WHERE signs_from > now() + INTERVAL '1 minute'

-- location_of_agent --
SELECT location
FROM vantage.agents
WHERE id = %(agent_id)s
    AND revoked_at IS NULL

-- spend_token --
UPDATE vantage.enrolment_tokens
SET spent_at = now()
WHERE secret_hash = %(secret_hash)s
    AND spent_at IS NULL
    AND expires_at > now()
RETURNING
    location,
    agent_id

-- enrol_agent --
INSERT INTO vantage.agents (id, location, name, certificate_expires_at)
VALUES (%(agent_id)s, %(location)s, %(name)s, %(expires_at)s)

-- renew_agent --
UPDATE vantage.agents
SET certificate_expires_at = %(expires_at)s
WHERE id = %(agent_id)s
    AND revoked_at IS NULL
RETURNING location
