-- An account that has something in every table that can hold something of an account. Everything
-- of it is numbered 4711 (its removed monitor 4712), and every text of it holds the word xyzzy.

INSERT INTO vantage.locations (name, title) VALUES ('fra', 'Frankfurt') ON CONFLICT DO NOTHING;

INSERT INTO vantage.accounts (id, name) OVERRIDING SYSTEM VALUE VALUES (4711, 'xyzzy account');

INSERT INTO vantage.users (id, account_id, email, name, password_hash) OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'xyzzy@example.net', 'xyzzy person', %(password_hash)s);

INSERT INTO vantage.sessions (id, token_hash, user_id, expires_at, browser) OVERRIDING SYSTEM VALUE
VALUES (4711, sha256('xyzzy session'), 4711, now() + INTERVAL '1 hour', 'xyzzy browser');

INSERT INTO vantage.links (id, token_hash, purpose, email, account_id, user_id, role, expires_at)
OVERRIDING SYSTEM VALUE
VALUES (4711, sha256('xyzzy link'), 'invite', 'xyzzy-guest@example.net', 4711, 4711, 'viewer',
    now() + INTERVAL '1 hour');

INSERT INTO vantage.api_tokens (id, user_id, name, token_hash, hint, scopes)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'xyzzy token', sha256('xyzzy token'), 'xyzzy_', '{read,write,run}');

INSERT INTO vantage.identities (issuer, subject, user_id)
VALUES ('https://id.example.net', 'xyzzy subject', 4711);

INSERT INTO vantage.audit_log (id, account_id, user_id, actor, action, detail)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711, 'xyzzy@example.net', 'signed_in', 'xyzzy browser');

INSERT INTO vantage.monitors (id, account_id, name, url, created_at, removed_at)
OVERRIDING SYSTEM VALUE
VALUES
    (4711, 4711, 'xyzzy monitor', 'https://xyzzy.example.net/', now() - INTERVAL '2 days', NULL),
    (4712, 4711, 'xyzzy removed', 'https://xyzzy.example.net/old', now() - INTERVAL '2 days', now());

INSERT INTO vantage.monitor_locations (monitor_id, location)
SELECT id, 'fra' FROM vantage.monitors WHERE account_id = 4711;

INSERT INTO vantage.secrets (monitor_id, name, key_id, sealed)
VALUES (4711, 'xyzzy-header', '0123456789abcdef', 'xyzzy sealed');

INSERT INTO vantage.run_requests (monitor_id, requested_at) VALUES (4711, now() - INTERVAL '1 hour');

INSERT INTO vantage.maintenance_rules
    (id, account_id, monitor_id, first_at, time_zone, duration_s, rule, title)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711, now(), 'UTC', 3600, 'FREQ=DAILY', 'xyzzy works daily');
INSERT INTO vantage.maintenance (id, account_id, monitor_id, from_at, to_at, title)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711, now() - INTERVAL '1 day', now() - INTERVAL '23 hours', 'xyzzy works');

-- Its address is public, so the word is not in it.
INSERT INTO vantage.applied (account_id, kind, key, object_id)
VALUES (4711, 'monitor', 'xyzzy', 4711);

INSERT INTO vantage.status_pages (id, account_id, slug, title) OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'somebodys', 'xyzzy status');
INSERT INTO vantage.status_page_monitors (page_id, monitor_id) VALUES (4711, 4711);

INSERT INTO vantage.results (slot_at, started_at, received_at, body_bytes, monitor_id, total_us,
    redirect_us, dns_us, delay_us, lag_us, header_bytes, target_port, outcome, agent_id, redirects,
    suspect, location, failure, detail, url, answer)
SELECT date_trunc('hour', now()) - INTERVAL '2 hours', now(), now(), 0, id, 1000, 0, 1000, 0, 0, 0,
    443, 'down', md5('agent')::uuid, 1, false, 'fra', 'dns_nxdomain', 'xyzzy was not found',
    'https://xyzzy.example.net/2', 'xyzzy'
FROM vantage.monitors WHERE account_id = 4711;

INSERT INTO vantage.exchanges (slot_at, body_bytes, monitor_id, total_us, header_bytes, target_port,
    hop, location, url)
SELECT slot_at, 0, monitor_id, 0, 0, 443, 1, 'fra', 'https://xyzzy.example.net/'
FROM vantage.results WHERE monitor_id IN (4711, 4712);

INSERT INTO vantage.gaps (from_slot_at, to_slot_at, monitor_id, slots, agent_id, location, reason,
    detail)
SELECT slot_at + INTERVAL '1 minute', slot_at + INTERVAL '2 minutes', monitor_id, 2, agent_id,
    'fra', 'overloaded', 'xyzzy was too much'
FROM vantage.results WHERE monitor_id IN (4711, 4712);

INSERT INTO vantage.certificates (sha256, subject, issuer, names, der)
VALUES (sha256('xyzzy'), 'CN=xyzzy.example.net', 'CN=xyzzy CA', '{xyzzy.example.net}', 'xyzzy');
INSERT INTO vantage.certificate_sightings (monitor_id, location, chain, tls_version, first_seen_at,
    last_seen_at)
SELECT id, 'fra', ARRAY[sha256('xyzzy')], '1.3', now() - INTERVAL '1 day', now()
FROM vantage.monitors WHERE account_id = 4711;

INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results, location)
SELECT min(slot_at), max(slot_at), agent_id, count(*), location
FROM vantage.results WHERE monitor_id IN (4711, 4712) GROUP BY agent_id, location;
-- Hours are summed up since the day of the database's making, and the rows may be of the day before.
UPDATE vantage.rollup_progress SET
    hours_from_at = date_trunc('day', now()) - INTERVAL '1 day',
    hours_to_at = now() + INTERVAL '1 day';
SELECT vantage.roll_up();
INSERT INTO vantage.medians
SELECT * FROM vantage.medians_between(
    '{4711,4712}', '{fra,fra}', now() - INTERVAL '1 year', now() + INTERVAL '1 year');
INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results, location)
SELECT now(), now(), md5('agent')::uuid, 1, 'fra';

INSERT INTO vantage.absences (from_at, agent_id, location, monitor_ids)
VALUES (now(), md5('agent')::uuid, 'fra', '{4711}');

INSERT INTO vantage.alert_rules (id, account_id, monitor_id) OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711);
INSERT INTO vantage.verdicts (monitor_id, state, since_at, judged_at, voting, needed, failing, slow)
VALUES (4711, 'down', now(), now(), 1, 1, '{fra}', '{}');
INSERT INTO vantage.monitor_dependencies (monitor_id, parent_id) VALUES (4711, 4712);
INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results)
VALUES (now(), 4711, 'fra', 'total', 1, 1);
INSERT INTO vantage.arrivals (agent_id, location, monitor_ids, slots_at_us, outcomes)
VALUES (md5('agent')::uuid, 'fra', '{4711}', '{0}', '{down}');
INSERT INTO vantage.incidents (id, account_id, monitor_id, severity, began_at, opened_at, cause,
    summary, acknowledged_at, acknowledged_by, post_mortem)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711, 'down', now() - INTERVAL '1 hour', now(), 'xyzzy', 'xyzzy is down', now(),
    'xyzzy person', 'xyzzy broke');
INSERT INTO vantage.incident_evidence (incident_id, location, which, slot_at, total_us, detail)
VALUES (4711, 'fra', 'first', now() - INTERVAL '1 hour', 1000, 'xyzzy was not found');
INSERT INTO vantage.incident_events (id, incident_id, kind, author, detail) OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'noted', 'xyzzy person', 'xyzzy is being looked at');

INSERT INTO vantage.sealing_keys (key_id, public_key)
VALUES ('0123456789abcdef', sha256('a public key'));
INSERT INTO vantage.channels (id, account_id, name, kind, hint, key_id, sealed)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'xyzzy channel', 'mail', 'xyzzy@example.net', '0123456789abcdef', 'xyzzy');
INSERT INTO vantage.notifications (id, channel_id, step, kind, incident_id, content)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'xyzzy', 'opened', 4711, '{"monitor": "xyzzy monitor"}');

INSERT INTO vantage.reports (id, account_id, month, parameters, revision, content)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, '2026-01-01', '{}', 1, '[{"monitor": "xyzzy monitor", "monitor_id": 4711}]');

INSERT INTO vantage.mails (id, account_id, user_id, step, kind, content) OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 4711, 'xyzzy', 'product', '{"subject": "xyzzy news"}');

INSERT INTO vantage.report_schedules (id, account_id, name, period, day, at, time_zone, objective,
    share)
OVERRIDING SYSTEM VALUE
VALUES (4711, 4711, 'xyzzy report', 'month', 28, '08:00', 'UTC', 99.9, 95);
INSERT INTO vantage.report_recipients (schedule_id, user_id) VALUES (4711, 4711);

INSERT INTO vantage.plans (name, title, stripe_price)
VALUES ('somebodys', 'xyzzy plan', NULL), ('for-sale', 'For sale', 'price_1');
INSERT INTO vantage.subscriptions (account_id, subscription_id, customer_id, status)
VALUES (4711, 'sub_xyzzy', 'cus_xyzzy', 'active');
UPDATE vantage.accounts SET plan = 'somebodys' WHERE id = 4711;

INSERT INTO vantage.quarantine (agent_id, incarnation, seq, reason, payload, monitor_id)
VALUES (md5('agent')::uuid, 'xyzzy', 1, 'xyzzy', 'xyzzy', 4711);
