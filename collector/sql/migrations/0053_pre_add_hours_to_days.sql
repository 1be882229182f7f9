-- Each hour that is over is added to its day; so far a day was made of its hours when it was over. What was
-- made of the hours since the last whole day is made again, by the functions that come with the views.
SELECT pg_advisory_xact_lock(hashtext('vantage.rollups'));
DROP FUNCTION IF EXISTS vantage.sum_up_hour(integer);
DROP FUNCTION IF EXISTS vantage.sum_up_day(integer);
DELETE FROM vantage.rollups_1d WHERE bucket_at >= (SELECT days_to_at FROM vantage.rollup_progress);
DELETE FROM vantage.totals_1h WHERE bucket_at >= (SELECT days_to_at FROM vantage.rollup_progress);
-- Where totals of the whole days before were still being made, they begin with the next one.
UPDATE vantage.rollup_progress SET
    hours_from_at = CASE WHEN hours_to_at < days_to_at THEN days_to_at ELSE hours_from_at END,
    hours_to_at = days_to_at,
    hours_monitor_id = 0;

COMMENT ON COLUMN vantage.rollup_progress.hours_to_at IS
    'The hours before it are in vantage.totals_1h and in the days of vantage.rollups_1d, and what comes late '
    'for them is added there; those from it on are read from vantage.rollups_1h.';
COMMENT ON COLUMN vantage.rollup_progress.hours_monitor_id IS
    'Of the hour that begins at hours_to_at, those of the monitors with a lesser id are there, too.';

-- Every row of the present day is changed once an hour, and none is read from an index alone before its page
-- was vacuumed.
ALTER TABLE vantage.rollups_1d SET (autovacuum_vacuum_scale_factor = 0.01);
