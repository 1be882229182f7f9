-- Nobody has read it since what was stored is found by when it was.
ALTER TABLE vantage.ingested DROP COLUMN monitor_ids;
