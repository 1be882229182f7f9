CREATE OR REPLACE VIEW report.certificates WITH (security_barrier) AS
SELECT
    sightings.monitor_id,
    sightings.location,
    sightings.first_seen_at,
    sightings.last_seen_at,
    sightings.tls_version,
    sightings.tls_cipher,
    sightings.expires_at,
    encode(leaf.sha256, 'hex') AS sha256,
    leaf.subject,
    leaf.issuer,
    leaf.names,
    leaf.serial,
    leaf.key,
    leaf.signature,
    leaf.not_before,
    leaf.not_after,
    (
        SELECT jsonb_agg(
            jsonb_build_object('subject', link.subject, 'issuer', link.issuer, 'key', link.key,
                'not_after', link.not_after)
            ORDER BY place)
        FROM unnest(sightings.chain) WITH ORDINALITY AS shown (sha256, place)
        JOIN vantage.certificates AS link USING (sha256)
    ) AS chain
FROM vantage.certificate_sightings AS sightings
JOIN vantage.monitors ON monitors.id = sightings.monitor_id
JOIN vantage.certificates AS leaf ON leaf.sha256 = sightings.chain[1]
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.certificates IS
    'Which certificates the targets of the account''s monitors showed, at each location: one row '
    'per combination of chain, version of TLS and cipher.';
COMMENT ON COLUMN report.certificates.monitor_id IS 'The monitor.';
COMMENT ON COLUMN report.certificates.location IS 'Short name of the location.';
COMMENT ON COLUMN report.certificates.first_seen_at IS 'Start of the first result that told of it.';
COMMENT ON COLUMN report.certificates.last_seen_at IS
    'Start of the last one; what is still in use is told of once a day.';
COMMENT ON COLUMN report.certificates.tls_version IS '1.2 or 1.3. NULL: none was agreed on.';
COMMENT ON COLUMN report.certificates.tls_cipher IS 'Cipher suite. NULL: none was agreed on.';
COMMENT ON COLUMN report.certificates.expires_at IS
    'The earliest end of validity in the chain. NULL: none can be read.';
COMMENT ON COLUMN report.certificates.sha256 IS 'Fingerprint of the server''s certificate.';
COMMENT ON COLUMN report.certificates.subject IS 'Whose it is, as RFC 4514 writes names.';
COMMENT ON COLUMN report.certificates.issuer IS 'Who signed it.';
COMMENT ON COLUMN report.certificates.names IS 'The DNS names and addresses it is good for.';
COMMENT ON COLUMN report.certificates.serial IS 'Serial number, hexadecimal.';
COMMENT ON COLUMN report.certificates.key IS 'Kind and size of its public key.';
COMMENT ON COLUMN report.certificates.signature IS 'How it is signed.';
COMMENT ON COLUMN report.certificates.not_before IS 'From when on it is valid.';
COMMENT ON COLUMN report.certificates.not_after IS 'Until when it is valid.';
COMMENT ON COLUMN report.certificates.chain IS
    'Every certificate shown, in order: [{"subject", "issuer", "key", "not_after"}, ...].';
