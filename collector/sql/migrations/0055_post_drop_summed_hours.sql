-- The overview is drawn from report.summed_since.
DROP FUNCTION IF EXISTS report.summed_hours(integer[], timestamptz, timestamptz);
DROP FUNCTION IF EXISTS vantage.summed_hours(integer[], timestamptz, timestamptz);
