-- The report centre asks for several locations at once.
DROP FUNCTION IF EXISTS report.slots_due(integer, text, timestamptz, timestamptz);
