-- Who sees which rows of the configuration. The collector and SREs see all; the owner of the
-- report centre's views sees the current account's, so a view cannot show more by mistake.
DROP POLICY IF EXISTS everything ON vantage.monitors;
CREATE POLICY everything ON vantage.monitors
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.monitors;
CREATE POLICY own ON vantage.monitors
    TO vantage_views USING (account_id = vantage.current_account());

DROP POLICY IF EXISTS everything ON vantage.monitor_locations;
CREATE POLICY everything ON vantage.monitor_locations
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.monitor_locations;
CREATE POLICY own ON vantage.monitor_locations
    TO vantage_views USING (EXISTS (
        SELECT FROM vantage.monitors WHERE monitors.id = monitor_locations.monitor_id));

DROP POLICY IF EXISTS everything ON vantage.monitor_definitions;
CREATE POLICY everything ON vantage.monitor_definitions FOR SELECT
    TO vantage_collector, vantage_reader USING (true);
DROP POLICY IF EXISTS own ON vantage.monitor_definitions;
CREATE POLICY own ON vantage.monitor_definitions FOR SELECT
    TO vantage_views USING (EXISTS (
        SELECT FROM vantage.monitors WHERE monitors.id = monitor_definitions.monitor_id));

DROP POLICY IF EXISTS everything ON vantage.maintenance;
CREATE POLICY everything ON vantage.maintenance
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.maintenance;
CREATE POLICY own ON vantage.maintenance
    TO vantage_views USING (account_id = vantage.current_account());

DROP POLICY IF EXISTS everything ON vantage.reports;
CREATE POLICY everything ON vantage.reports
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.reports;
CREATE POLICY own ON vantage.reports
    TO vantage_views USING (account_id = vantage.current_account());

DROP POLICY IF EXISTS everything ON vantage.channels;
CREATE POLICY everything ON vantage.channels
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.channels;
CREATE POLICY own ON vantage.channels
    TO vantage_views USING (account_id = vantage.current_account());

DROP POLICY IF EXISTS everything ON vantage.notifications;
CREATE POLICY everything ON vantage.notifications
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.notifications;
CREATE POLICY own ON vantage.notifications
    TO vantage_views USING (EXISTS (
        SELECT FROM vantage.channels WHERE channels.id = notifications.channel_id));

DROP POLICY IF EXISTS everything ON vantage.maintenance_rules;
CREATE POLICY everything ON vantage.maintenance_rules
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.maintenance_rules;
CREATE POLICY own ON vantage.maintenance_rules
    TO vantage_views USING (account_id = vantage.current_account());

-- Rules of no account are the installation's, which everybody may read.
DROP POLICY IF EXISTS everything ON vantage.alert_rules;
CREATE POLICY everything ON vantage.alert_rules
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.alert_rules;
CREATE POLICY own ON vantage.alert_rules
    TO vantage_views USING (account_id = vantage.current_account());
DROP POLICY IF EXISTS defaults ON vantage.alert_rules;
CREATE POLICY defaults ON vantage.alert_rules FOR SELECT
    TO vantage_views USING (account_id IS NULL);

DROP POLICY IF EXISTS everything ON vantage.incidents;
CREATE POLICY everything ON vantage.incidents
    TO vantage_collector, vantage_reader USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS own ON vantage.incidents;
CREATE POLICY own ON vantage.incidents
    TO vantage_views USING (account_id = vantage.current_account());

DO $$
DECLARE
    dependent record;
BEGIN
    FOR dependent IN
        SELECT * FROM (VALUES
            ('verdicts', 'monitors', 'monitor_id'),
            ('baselines', 'monitors', 'monitor_id'),
            ('secrets', 'monitors', 'monitor_id'),
            ('monitor_dependencies', 'monitors', 'monitor_id'),
            ('incident_evidence', 'incidents', 'incident_id'),
            ('incident_events', 'incidents', 'incident_id')
        ) AS dependents (name, owner, key)
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS everything ON vantage.%I', dependent.name);
        EXECUTE format('CREATE POLICY everything ON vantage.%I
            TO vantage_collector, vantage_reader USING (true) WITH CHECK (true)', dependent.name);
        EXECUTE format('DROP POLICY IF EXISTS own ON vantage.%I', dependent.name);
        EXECUTE format('CREATE POLICY own ON vantage.%1$I TO vantage_views USING (EXISTS (
            SELECT FROM vantage.%2$I WHERE %2$I.id = %1$I.%3$I))',
            dependent.name, dependent.owner, dependent.key);
    END LOOP;
END
$$;
