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
CREATE POLICY own ON vantage.maintenance FOR SELECT
    TO vantage_views USING (account_id = vantage.current_account());
