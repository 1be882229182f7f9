-- The certificates that targets showed.

-- monitor_certificates --
-- What is in use comes first, then what was before it.
SELECT
    certificates.sha256,
    certificates.subject,
    certificates.issuer,
    certificates.names,
    certificates.serial,
    certificates.key,
    certificates.signature,
    certificates.not_before,
    certificates.not_after,
    certificates.expires_at,
    certificates.tls_version,
    certificates.tls_cipher,
    certificates.chain,
    min(certificates.first_seen_at) AS first_seen_at,
    max(certificates.last_seen_at) AS last_seen_at,
    array_agg(locations.title ORDER BY locations.title) AS locations
FROM report.certificates
JOIN report.locations ON locations.name = certificates.location
WHERE certificates.monitor_id = %(monitor_id)s
GROUP BY
    certificates.sha256,
    certificates.subject,
    certificates.issuer,
    certificates.names,
    certificates.serial,
    certificates.key,
    certificates.signature,
    certificates.not_before,
    certificates.not_after,
    certificates.expires_at,
    certificates.tls_version,
    certificates.tls_cipher,
    certificates.chain
ORDER BY
    last_seen_at DESC,
    first_seen_at DESC
LIMIT %(count)s

-- result_certificate --
-- Results keep no more of a certificate than its end, so the newest that had been told of by then,
-- and ends at the same instant, is the one.
SELECT
    certificates.sha256,
    certificates.subject,
    certificates.issuer,
    certificates.names,
    certificates.serial,
    certificates.key,
    certificates.signature,
    certificates.not_before,
    certificates.not_after,
    certificates.expires_at,
    certificates.tls_version,
    certificates.tls_cipher,
    certificates.chain,
    certificates.first_seen_at,
    certificates.last_seen_at,
    ARRAY[certificates.location] AS locations
FROM report.certificates
WHERE certificates.monitor_id = %(monitor_id)s
    AND certificates.location = %(location)s
    AND certificates.not_after = %(cert_expires_at)s
    AND certificates.first_seen_at <= %(started_at)s
ORDER BY certificates.first_seen_at DESC
LIMIT 1
