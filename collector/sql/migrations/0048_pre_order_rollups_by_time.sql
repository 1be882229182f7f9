-- Who asks for hours or days asks for all locations of a monitor and some of its time: these lie
-- together in an index now.
CREATE UNIQUE INDEX rollups_1h_monitor ON vantage.rollups_1h (monitor_id, bucket_at, location);
DROP INDEX vantage.rollups_1h_monitor_location;
-- Days are written once, so their index may hold what most questions are about: a row is ten times as wide.
CREATE UNIQUE INDEX rollups_1d_monitor ON vantage.rollups_1d (monitor_id, bucket_at, location)
    INCLUDE (run, up, degraded, down, suspect_down, updated_at, total_histogram);
DROP INDEX vantage.rollups_1d_monitor_location;
-- Nothing is read from an index alone before its rows were vacuumed: each day is, soon after it is summed up.
ALTER TABLE vantage.rollups_1d SET (autovacuum_vacuum_insert_scale_factor = 0.005);
