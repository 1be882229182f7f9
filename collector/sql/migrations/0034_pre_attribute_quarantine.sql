-- Whose the results are that could not be stored, so that they go when their account does.

ALTER TABLE vantage.quarantine ADD COLUMN monitor_id integer;
COMMENT ON COLUMN vantage.quarantine.monitor_id IS
    'vantage.monitors.id, as the payload has it; gone with the monitor. NULL: it cannot be read, or was '
    'received by an older collector.';
