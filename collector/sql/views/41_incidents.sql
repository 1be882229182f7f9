-- Verdicts and incidents: how the account's monitors stand over all their locations, and since when.

-- One text for both: a view of report cannot read through a view that has its reader's rights.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT * FROM (VALUES
            ('vantage', 'security_invoker', 'true'),
            ('report', 'security_barrier', 'monitors.account_id = vantage.current_account()')
        ) AS views (schema_name, kind, condition)
    LOOP
        EXECUTE format($view$
            CREATE OR REPLACE VIEW %I.monitor_rules WITH (%s) AS
            SELECT
                monitors.id AS monitor_id,
                monitors.account_id,
                rule.id AS rule_id,
                CASE
                    WHEN rule.monitor_id IS NOT NULL THEN 'monitor'
                    WHEN rule.account_id IS NOT NULL THEN 'account'
                    ELSE 'installation'
                END AS source,
                rule.needed_locations,
                rule.needed_percent,
                rule.consecutive,
                rule.distinct_by,
                rule.closes_after_s,
                rule.opens_when_degraded,
                rule.slower_factor,
                rule.slower_phase,
                rule.slower_for_s,
                rule.slower_locations
            FROM vantage.monitors
            CROSS JOIN LATERAL (
                SELECT *
                FROM vantage.alert_rules
                WHERE alert_rules.monitor_id = monitors.id
                    OR (alert_rules.monitor_id IS NULL
                        AND (alert_rules.account_id = monitors.account_id
                            OR alert_rules.account_id IS NULL))
                ORDER BY
                    alert_rules.monitor_id IS NULL,
                    alert_rules.account_id IS NULL
                LIMIT 1
            ) AS rule
            WHERE monitors.removed_at IS NULL AND %s
            $view$, made.schema_name, made.kind, made.condition);
    END LOOP;
END
$$;
COMMENT ON VIEW vantage.monitor_rules IS
    'The rule that is in force for each monitor: its own, else its account''s, else the '
    'installation''s.';
COMMENT ON COLUMN vantage.monitor_rules.monitor_id IS 'The monitor.';
COMMENT ON COLUMN vantage.monitor_rules.account_id IS 'Whose monitor it is.';
COMMENT ON COLUMN vantage.monitor_rules.rule_id IS 'vantage.alert_rules.id.';
COMMENT ON COLUMN vantage.monitor_rules.source IS 'Whose rule it is: monitor, account or installation.';
COMMENT ON COLUMN vantage.monitor_rules.needed_locations IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.needed_percent IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.consecutive IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.distinct_by IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.closes_after_s IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.opens_when_degraded IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.slower_factor IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.slower_phase IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.slower_for_s IS 'As in vantage.alert_rules.';
COMMENT ON COLUMN vantage.monitor_rules.slower_locations IS 'As in vantage.alert_rules.';

COMMENT ON VIEW report.monitor_rules IS
    'The rule that is in force for each of the account''s monitors.';

CREATE OR REPLACE VIEW report.alert_rules WITH (security_barrier) AS
SELECT
    id,
    monitor_id,
    needed_locations,
    needed_percent,
    consecutive,
    distinct_by,
    closes_after_s,
    opens_when_degraded,
    slower_factor,
    slower_phase,
    slower_for_s,
    slower_locations
FROM vantage.alert_rules
WHERE account_id = vantage.current_account();
COMMENT ON VIEW report.alert_rules IS
    'The account''s own rules; its columns are explained at vantage.alert_rules.';

CREATE OR REPLACE VIEW report.account_rule WITH (security_barrier) AS
SELECT
    accounts.id AS account_id,
    CASE WHEN rule.account_id IS NULL THEN 'installation' ELSE 'account' END AS source,
    rule.needed_locations,
    rule.needed_percent,
    rule.consecutive,
    rule.distinct_by,
    rule.closes_after_s,
    rule.opens_when_degraded,
    rule.slower_factor,
    rule.slower_phase,
    rule.slower_for_s,
    rule.slower_locations
FROM vantage.accounts
CROSS JOIN LATERAL (
    SELECT *
    FROM vantage.alert_rules
    WHERE alert_rules.monitor_id IS NULL
        AND (alert_rules.account_id = accounts.id OR alert_rules.account_id IS NULL)
    ORDER BY alert_rules.account_id IS NULL
    LIMIT 1
) AS rule
WHERE accounts.id = vantage.current_account();
COMMENT ON VIEW report.account_rule IS
    'The rule that is in force for the account''s monitors that have none of their own: its own, '
    'else the installation''s.';
COMMENT ON COLUMN report.account_rule.source IS 'Whose rule it is: account or installation.';

CREATE OR REPLACE VIEW report.verdicts WITH (security_barrier) AS
SELECT verdicts.*
FROM vantage.verdicts
JOIN vantage.monitors ON monitors.id = verdicts.monitor_id
WHERE monitors.account_id = vantage.current_account() AND monitors.removed_at IS NULL;
COMMENT ON COLUMN vantage.verdicts.failing_since_at IS
    'First failing slot of all that fail; where it is down, of those that began to fail together. '
    'NULL: none fails.';
COMMENT ON VIEW report.verdicts IS
    'vantage.verdicts of the account''s monitors; its columns are explained there.';

CREATE OR REPLACE VIEW report.incidents WITH (security_barrier) AS
SELECT
    incidents.id,
    incidents.monitor_id,
    monitors.name AS monitor,
    incidents.severity,
    incidents.began_at,
    incidents.opened_at,
    incidents.recovered_at,
    incidents.closed_at,
    incidents.reopened,
    incidents.cause,
    incidents.summary,
    incidents.silenced_by,
    incidents.acknowledged_at,
    incidents.acknowledged_by,
    incidents.post_mortem,
    CASE
        WHEN incidents.closed_at IS NOT NULL THEN 'closed'
        WHEN incidents.recovered_at IS NOT NULL THEN 'recovering'
        ELSE 'open'
    END AS state,
    ARRAY(
        SELECT DISTINCT location FROM vantage.incident_evidence
        WHERE incident_id = incidents.id AND which = 'first'
        ORDER BY location) AS locations,
    COALESCE(
        incidents.assigned,
        (SELECT count(*) FROM vantage.monitor_locations
         WHERE monitor_locations.monitor_id = incidents.monitor_id))::integer AS assigned,
    incidents.failing_since_at
FROM vantage.incidents
JOIN vantage.monitors ON monitors.id = incidents.monitor_id
WHERE incidents.account_id = vantage.current_account();
COMMENT ON VIEW report.incidents IS
    'The account''s incidents; the columns that are not explained here are at vantage.incidents.';
COMMENT ON COLUMN report.incidents.monitor IS 'The monitor''s name.';
COMMENT ON COLUMN report.incidents.state IS
    'open; recovering: too few locations fail, but it may not last; closed.';
COMMENT ON COLUMN report.incidents.locations IS 'Every location that failed in it.';
COMMENT ON COLUMN report.incidents.assigned IS
    'Of how many locations; where nobody counted, of those that probe the monitor now.';

CREATE OR REPLACE VIEW report.incident_evidence WITH (security_barrier) AS
SELECT incident_evidence.*
FROM vantage.incident_evidence
JOIN vantage.incidents ON incidents.id = incident_evidence.incident_id
WHERE incidents.account_id = vantage.current_account();
COMMENT ON VIEW report.incident_evidence IS
    'vantage.incident_evidence of the account''s incidents; its columns are explained there.';

CREATE OR REPLACE VIEW report.incident_events WITH (security_barrier) AS
SELECT incident_events.*
FROM vantage.incident_events
JOIN vantage.incidents ON incidents.id = incident_events.incident_id
WHERE incidents.account_id = vantage.current_account();
COMMENT ON VIEW report.incident_events IS
    'vantage.incident_events of the account''s incidents; its columns are explained there.';

CREATE OR REPLACE VIEW report.monitor_dependencies WITH (security_barrier) AS
SELECT monitor_dependencies.*
FROM vantage.monitor_dependencies
JOIN vantage.monitors ON monitors.id = monitor_dependencies.monitor_id
WHERE monitors.account_id = vantage.current_account();
COMMENT ON VIEW report.monitor_dependencies IS
    'vantage.monitor_dependencies of the account''s monitors; its columns are explained there.';
