-- Who may do what, over everything the files before this one made.
GRANT USAGE ON SCHEMA vantage TO vantage_collector, vantage_reader, vantage_views;
GRANT USAGE, CREATE ON SCHEMA report TO vantage_views;
GRANT USAGE ON SCHEMA report TO vantage_dashboard;
-- The report centre calls vantage.merge and its kin; USAGE shows it no table.
GRANT USAGE ON SCHEMA vantage TO vantage_dashboard;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vantage TO vantage_collector;

REVOKE INSERT, UPDATE, DELETE ON vantage.migrations, vantage.monitor_definitions
    FROM vantage_collector;
-- What happened, happened.
REVOKE UPDATE, DELETE ON vantage.incident_events FROM vantage_collector;

GRANT SELECT ON ALL TABLES IN SCHEMA vantage TO vantage_reader;
-- `vantage psql` on a database given by its URL narrows itself to the reader's rights.
GRANT vantage_reader TO vantage_collector;
REVOKE SELECT ON vantage.users, vantage.sessions, vantage.links, vantage.api_tokens,
    vantage.enrolment_tokens, vantage.sign_ins FROM vantage_reader;
GRANT SELECT (id, account_id, email, name, created_at, role, is_operator, time_zone,
    wants_product_mail) ON vantage.users TO vantage_reader;
GRANT SELECT (id, user_id, name, scopes, created_at, expires_at, last_used_at)
    ON vantage.api_tokens TO vantage_reader;
REVOKE SELECT ON vantage.secrets FROM vantage_reader;
GRANT SELECT (monitor_id, name, key_id, set_at) ON vantage.secrets TO vantage_reader;
GRANT SELECT (location, created_at, expires_at, spent_at, agent_id)
    ON vantage.enrolment_tokens TO vantage_reader;

GRANT SELECT ON vantage.accounts, vantage.users, vantage.locations, vantage.monitors,
    vantage.monitor_locations, vantage.monitor_definitions, vantage.agents, vantage.results,
    vantage.exchanges, vantage.rollups_1h, vantage.rollups_1d, vantage.results_1d,
    vantage.rollup_progress, vantage.maintenance, vantage.gaps, vantage.standings,
    vantage.ingested, vantage.rollup_backlog, vantage.medians, vantage.totals_1h,
    vantage.monitors_1h, vantage.open_days TO vantage_views;
GRANT SELECT ON vantage.certificates, vantage.certificate_sightings TO vantage_views;
GRANT SELECT, INSERT, UPDATE ON vantage.run_requests TO vantage_views;
GRANT SELECT, INSERT, UPDATE, DELETE ON vantage.sessions, vantage.links, vantage.api_tokens,
    vantage.users TO vantage_views;
GRANT SELECT, INSERT ON vantage.identities TO vantage_views;
GRANT SELECT, INSERT, DELETE ON vantage.sign_ins TO vantage_views;
GRANT SELECT, INSERT, UPDATE ON vantage.accounts TO vantage_views;
GRANT SELECT, INSERT ON vantage.audit_log TO vantage_views;
GRANT INSERT, UPDATE ON vantage.monitors TO vantage_views;
GRANT INSERT, DELETE ON vantage.monitor_locations TO vantage_views;
GRANT SELECT, INSERT, UPDATE, DELETE ON vantage.status_pages, vantage.status_page_monitors
    TO vantage_views;
GRANT SELECT ON vantage.verdicts, vantage.incidents, vantage.incident_evidence,
    vantage.incident_events, vantage.alert_rules, vantage.monitor_dependencies,
    vantage.location_troubles, vantage.baselines TO vantage_views;
GRANT UPDATE (acknowledged_at, acknowledged_by, post_mortem) ON vantage.incidents TO vantage_views;
GRANT INSERT ON vantage.incident_events TO vantage_views;
GRANT INSERT, UPDATE, DELETE ON vantage.alert_rules, vantage.monitor_dependencies TO vantage_views;
GRANT SELECT (monitor_id, name, set_at), INSERT, DELETE ON vantage.secrets TO vantage_views;
GRANT SELECT ON vantage.applied TO vantage_views;
GRANT INSERT, UPDATE, DELETE ON vantage.maintenance TO vantage_views;
GRANT SELECT, INSERT, UPDATE, DELETE ON vantage.channels TO vantage_views;
GRANT SELECT, INSERT ON vantage.notifications TO vantage_views;
GRANT SELECT ON vantage.sealing_keys, vantage.notifying TO vantage_views;
GRANT SELECT, INSERT ON vantage.reports TO vantage_views;
GRANT SELECT ON vantage.plans, vantage.retention TO vantage_views;
GRANT SELECT, INSERT, UPDATE, DELETE ON vantage.mails, vantage.report_schedules,
    vantage.report_recipients TO vantage_views;
GRANT SELECT, INSERT, UPDATE ON vantage.subscriptions TO vantage_views;
GRANT SELECT, INSERT, DELETE ON vantage.payment_events TO vantage_views;
REVOKE SELECT ON vantage.channels FROM vantage_reader;
GRANT SELECT (id, account_id, name, kind, hint, key_id, least_severity, monitor_ids, delay_s, remind_s,
    spacing_s, quiet_from, quiet_to, time_zone, created_at, muted_at, lease, leased_until,
    last_sent_at, failing_since_at, last_error) ON vantage.channels TO vantage_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON vantage.maintenance_rules TO vantage_views;
-- For report.purge alone.
GRANT SELECT, UPDATE ON vantage.absences TO vantage_views;
GRANT SELECT, DELETE ON vantage.accounts, vantage.monitors, vantage.results, vantage.exchanges,
    vantage.rollups_1h, vantage.rollups_1d, vantage.gaps, vantage.certificate_sightings,
    vantage.certificates, vantage.standings, vantage.medians, vantage.totals_1h,
    vantage.monitors_1h TO vantage_views;
GRANT SELECT (monitor_id), DELETE ON vantage.quarantine TO vantage_views;

-- Everything in report belongs to vantage_views, which row-level security binds.
DO $$
DECLARE
    object record;
BEGIN
    FOR object IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relnamespace = 'report'::regnamespace AND c.relkind = 'v'
    LOOP
        EXECUTE format('ALTER VIEW %s OWNER TO vantage_views', object.name);
        EXECUTE format('GRANT SELECT ON %s TO vantage_dashboard', object.name);
    END LOOP;
    FOR object IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p
        WHERE p.pronamespace = 'report'::regnamespace
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO vantage_views', object.name);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', object.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO vantage_dashboard', object.name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION vantage.drop_expired() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vantage.drop_expired() TO vantage_collector;
REVOKE ALL ON FUNCTION vantage.take_statistics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vantage.take_statistics() TO vantage_collector;
