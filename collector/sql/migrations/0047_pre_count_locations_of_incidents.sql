-- What "2 of 5 locations" meant stays true when locations come and go.
ALTER TABLE vantage.incidents
    ADD COLUMN assigned smallint CHECK (assigned > 0);
COMMENT ON COLUMN vantage.incidents.assigned IS
    'How many locations probed the monitor at most while it failed; one without agents is none. '
    'NULL: nobody counted.';
