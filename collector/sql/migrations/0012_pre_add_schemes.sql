-- Monitors of other schemes than http and https, HTTP/3, and what such schemes bring.

ALTER TABLE vantage.monitors
    DROP CONSTRAINT monitors_url_check,
    ADD CONSTRAINT monitors_url_check CHECK (
        url ~* '^(https?|wss?|tcp|tls|dns|icmp|smtps?|imaps?|pop3s?|ftps?|ssh|sftp|mqtts?)://'
        AND length(url) <= 2048),
    DROP CONSTRAINT monitors_http_version_check,
    ADD CONSTRAINT monitors_http_version_check CHECK (http_version IN ('1.1', '2', '3'));
COMMENT ON COLUMN vantage.monitors.url IS
    'Absolute URL: http, https, ws, wss, tcp, tls, dns, icmp, smtp(s), imap(s), pop3(s), ftp(s), '
    'ssh, sftp or mqtt(s); docs/monitors.md tells what each does.';
COMMENT ON COLUMN vantage.monitors.http_version IS
    '1.1, 2 or 3: no other version is spoken. NULL: what server and agent agree on.';

ALTER TABLE vantage.results
    ADD COLUMN pings_sent smallint CHECK (pings_sent >= 0),
    ADD COLUMN pings_received smallint CHECK (pings_received BETWEEN 0 AND pings_sent),
    ADD COLUMN ping_min_us integer CHECK (ping_min_us >= 0),
    ADD COLUMN ping_max_us integer CHECK (ping_max_us >= 0),
    ADD COLUMN answer text;
COMMENT ON COLUMN vantage.results.pings_sent IS 'Echo requests sent. NULL: the monitor is no icmp.';
COMMENT ON COLUMN vantage.results.pings_received IS
    'Echo replies that came back; the loss is 1 - pings_received / pings_sent. '
    'NULL: the monitor is no icmp.';
COMMENT ON COLUMN vantage.results.ping_min_us IS
    'Shortest round trip; the mean is wait_us. NULL: none came back, or no icmp.';
COMMENT ON COLUMN vantage.results.ping_max_us IS
    'Longest round trip. NULL: none came back, or no icmp.';
COMMENT ON COLUMN vantage.results.answer IS
    'What the server greeted with, or the records that a name server gave, without their times to '
    'live. NULL: http, https, ws, wss, tcp, tls, icmp, or no answer.';
COMMENT ON COLUMN vantage.results.connect_us IS
    'TCP connection; the QUIC handshake with HTTP/3. NULL: not reached, or dns and icmp.';
COMMENT ON COLUMN vantage.results.tls_us IS
    'TLS handshake. NULL: not reached, or a scheme without TLS.';
COMMENT ON COLUMN vantage.results.send_us IS
    'Sending the request. NULL: not reached, or a scheme whose servers speak first.';
COMMENT ON COLUMN vantage.results.wait_us IS
    'From the request''s last byte to the response''s first; to a server''s greeting; to a name '
    'server''s answer; the mean round trip of pings. NULL: not reached, or tcp and tls.';
COMMENT ON COLUMN vantage.results.receive_us IS
    'From the response''s first byte to its last. NULL: not reached, or a scheme without.';
COMMENT ON COLUMN vantage.results.target_port IS
    'Port of the last exchange; 0: no address was tried, or icmp.';
