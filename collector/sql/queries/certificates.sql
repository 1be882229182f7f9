-- add_certificate --
INSERT INTO vantage.certificates (
    sha256, subject, issuer, names, serial, key, signature, not_before, not_after, der)
VALUES (
    %(sha256)s, %(subject)s, %(issuer)s, %(names)s, %(serial)s, %(key)s, %(signature)s,
    %(not_before)s, %(not_after)s, %(der)s)
ON CONFLICT (sha256) DO NOTHING

-- see_chain --
INSERT INTO vantage.certificate_sightings (
    monitor_id, location, chain, tls_version, tls_cipher, expires_at, first_seen_at, last_seen_at)
SELECT
    %(monitor_id)s,
    %(location)s,
    %(chain)s,
    %(tls_version)s,
    %(tls_cipher)s,
    %(expires_at)s,
    seen.at,
    seen.at
FROM (SELECT 'epoch'::timestamptz + %(seen_at_us)s * INTERVAL '1 microsecond') AS seen (at)
ON CONFLICT (monitor_id, location, chain, tls_version, tls_cipher)
DO UPDATE SET
    first_seen_at = LEAST(certificate_sightings.first_seen_at, EXCLUDED.first_seen_at),
    last_seen_at = GREATEST(certificate_sightings.last_seen_at, EXCLUDED.last_seen_at)
