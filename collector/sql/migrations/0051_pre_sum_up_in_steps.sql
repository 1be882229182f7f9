-- Hours' totals and days are made for some monitors at a time, as medians are, and what arrives goes on
-- in between.
ALTER TABLE vantage.rollup_progress
    ADD COLUMN hours_monitor_id integer NOT NULL DEFAULT 0,
    ADD COLUMN days_monitor_id integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN vantage.rollup_progress.hours_monitor_id IS
    'Of the hour that begins at hours_to_at, the totals of the monitors with a lesser id are made, too.';
COMMENT ON COLUMN vantage.rollup_progress.days_monitor_id IS
    'Of the day that begins at days_to_at, the rollups of the monitors with a lesser id are made, too.';
DROP FUNCTION IF EXISTS vantage.sum_up_hour();
DROP FUNCTION IF EXISTS vantage.sum_up_day();

-- Whoever is due together is on the same page, and changed in the same transaction: a page must hold
-- everything twice, or every second row is moved to another one.
ALTER TABLE vantage.rollups_1h SET (fillfactor = 45);
