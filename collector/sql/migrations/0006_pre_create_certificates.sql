-- Certificates of targets, and where each chain was seen: a row per change, none per result.

CREATE TABLE vantage.certificates (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    subject text,
    issuer text,
    names text[],
    serial text,
    key text,
    signature text,
    not_before timestamptz,
    not_after timestamptz,
    der bytea NOT NULL
);
COMMENT ON TABLE vantage.certificates IS
    'Every certificate that a target ever showed, its issuers'' included. NULL: that part of it '
    'cannot be read.';
COMMENT ON COLUMN vantage.certificates.sha256 IS 'SHA-256 of der: its fingerprint.';
COMMENT ON COLUMN vantage.certificates.subject IS 'Whose it is, as RFC 4514 writes names.';
COMMENT ON COLUMN vantage.certificates.issuer IS 'Who signed it.';
COMMENT ON COLUMN vantage.certificates.names IS
    'Subject alternative names: the DNS names and addresses it is good for. Empty: it has none.';
COMMENT ON COLUMN vantage.certificates.serial IS 'Serial number, hexadecimal.';
COMMENT ON COLUMN vantage.certificates.key IS 'Its public key: RSA 2048, EC secp256r1, Ed25519.';
COMMENT ON COLUMN vantage.certificates.signature IS
    'How it is signed: ECDSA with SHA-256, ...; an OID where that has no name here.';
COMMENT ON COLUMN vantage.certificates.not_before IS 'From when on it is valid.';
COMMENT ON COLUMN vantage.certificates.not_after IS 'Until when it is valid.';
COMMENT ON COLUMN vantage.certificates.der IS 'The certificate itself, as the target sent it.';

CREATE TABLE vantage.certificate_sightings (
    monitor_id integer NOT NULL REFERENCES vantage.monitors ON DELETE CASCADE,
    location text NOT NULL,
    chain bytea[] NOT NULL CHECK (cardinality(chain) BETWEEN 1 AND 10),
    tls_version text,
    tls_cipher text,
    expires_at timestamptz,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (monitor_id, location, chain, tls_version, tls_cipher)
);
COMMENT ON TABLE vantage.certificate_sightings IS
    'Which certificates a monitor''s target showed at a location, in which version of TLS: one row '
    'per combination, however many results it was seen in; also those that were refused. Of '
    'redirects, the last target''s.';
COMMENT ON COLUMN vantage.certificate_sightings.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.certificate_sightings.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.certificate_sightings.chain IS
    'vantage.certificates.sha256 of each certificate in the order they came, the server''s own first.';
COMMENT ON COLUMN vantage.certificate_sightings.tls_version IS
    '1.2 or 1.3. NULL: the handshake broke off before one was agreed on.';
COMMENT ON COLUMN vantage.certificate_sightings.tls_cipher IS
    'OpenSSL''s name of the cipher suite. NULL: as tls_version.';
COMMENT ON COLUMN vantage.certificate_sightings.expires_at IS
    'The earliest end of validity in the chain. NULL: none can be read.';
COMMENT ON COLUMN vantage.certificate_sightings.first_seen_at IS
    'Start of the first result that told of it, by the agent''s clock.';
COMMENT ON COLUMN vantage.certificate_sightings.last_seen_at IS
    'Start of the last one. An agent tells of what it still sees once a day, and when it starts.';
