-- The certificates that targets showed.

-- certificates --
-- Of one location, ended at one instant, told of by then: each NULL, any. What is in use comes
-- first, then what was before it.
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
    AND (%(location)s::text IS NULL OR certificates.location = %(location)s)
    AND (%(not_after)s::timestamptz IS NULL OR certificates.not_after = %(not_after)s)
    AND (%(told_by)s::timestamptz IS NULL OR certificates.first_seen_at <= %(told_by)s)
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
