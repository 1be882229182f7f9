-- Results summed up by the hour and by the day, and what of them is still to be summed up.

CREATE TABLE vantage.ingested (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_from_at timestamptz NOT NULL DEFAULT now(),
    received_to_at timestamptz NOT NULL DEFAULT now(),
    from_slot_at timestamptz NOT NULL,
    to_slot_at timestamptz NOT NULL,
    agent_id uuid NOT NULL,
    results integer NOT NULL,
    location text NOT NULL,
    monitor_ids integer[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE vantage.ingested IS
    'What was stored and is not in the rollups yet: written with the results, in their transaction, '
    'and deleted in the transaction that adds them to the rollups.';
COMMENT ON COLUMN vantage.ingested.id IS 'Identity.';
COMMENT ON COLUMN vantage.ingested.received_from_at IS 'Least results.received_at among them.';
COMMENT ON COLUMN vantage.ingested.received_to_at IS 'Greatest results.received_at among them.';
COMMENT ON COLUMN vantage.ingested.from_slot_at IS 'Their first slot.';
COMMENT ON COLUMN vantage.ingested.to_slot_at IS 'Their last slot.';
COMMENT ON COLUMN vantage.ingested.agent_id IS 'Whose results they are.';
COMMENT ON COLUMN vantage.ingested.results IS 'How many there are.';
COMMENT ON COLUMN vantage.ingested.location IS 'Where they are from.';
COMMENT ON COLUMN vantage.ingested.monitor_ids IS 'The monitors they are of.';

-- Numbers of one kind are neighbours in a row. The rows of the present hour are changed again and
-- again: room on their page keeps the index out of it.
CREATE TABLE vantage.rollups_1h (
    bucket_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    total_sum_us bigint NOT NULL,
    redirect_sum_us bigint NOT NULL,
    dns_sum_us bigint NOT NULL,
    connect_sum_us bigint NOT NULL,
    tls_sum_us bigint NOT NULL,
    send_sum_us bigint NOT NULL,
    wait_sum_us bigint NOT NULL,
    receive_sum_us bigint NOT NULL,
    monitor_id integer NOT NULL,
    run integer NOT NULL,
    up integer NOT NULL,
    degraded integer NOT NULL,
    down integer NOT NULL,
    suspect integer NOT NULL,
    suspect_down integer NOT NULL,
    timed integer NOT NULL,
    dns_count integer NOT NULL,
    connect_count integer NOT NULL,
    tls_count integer NOT NULL,
    send_count integer NOT NULL,
    wait_count integer NOT NULL,
    receive_count integer NOT NULL,
    location text NOT NULL,
    failures jsonb,
    total_histogram numeric,
    dns_histogram numeric,
    connect_histogram numeric,
    tls_histogram numeric,
    send_histogram numeric,
    wait_histogram numeric,
    receive_histogram numeric
) WITH (fillfactor = 70);
COMMENT ON TABLE vantage.rollups_1h IS
    'The results of a monitor at a location summed up by the hour. Read it as vantage.results_1h.';
COMMENT ON COLUMN vantage.rollups_1h.bucket_at IS 'When the hour (or the day, in UTC) began.';
COMMENT ON COLUMN vantage.rollups_1h.updated_at IS
    'When results were last added to it. A report whose rollups have newer ones is out of date.';
COMMENT ON COLUMN vantage.rollups_1h.total_sum_us IS 'Sum of total_us over the timed results.';
COMMENT ON COLUMN vantage.rollups_1h.redirect_sum_us IS 'Sum of redirect_us over them.';
COMMENT ON COLUMN vantage.rollups_1h.dns_sum_us IS 'Sum of dns_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.connect_sum_us IS 'Sum of connect_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.tls_sum_us IS 'Sum of tls_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.send_sum_us IS 'Sum of send_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.wait_sum_us IS 'Sum of wait_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.receive_sum_us IS 'Sum of receive_us over those that have it.';
COMMENT ON COLUMN vantage.rollups_1h.monitor_id IS 'vantage.monitors.id.';
COMMENT ON COLUMN vantage.rollups_1h.run IS
    'Results of the schedule; what people asked for besides (is_extra) counts nowhere here.';
COMMENT ON COLUMN vantage.rollups_1h.up IS 'Results that were up.';
COMMENT ON COLUMN vantage.rollups_1h.degraded IS 'Results that were degraded.';
COMMENT ON COLUMN vantage.rollups_1h.down IS 'Results that were down. up + degraded + down = run.';
COMMENT ON COLUMN vantage.rollups_1h.suspect IS
    'Results, of whichever outcome, that a busy agent marked as suspect.';
COMMENT ON COLUMN vantage.rollups_1h.suspect_down IS
    'Results that were down and suspect: they prove nothing against the monitor.';
COMMENT ON COLUMN vantage.rollups_1h.timed IS
    'Results whose times are summed up: neither down nor suspect.';
COMMENT ON COLUMN vantage.rollups_1h.dns_count IS 'Timed results that have dns_us.';
COMMENT ON COLUMN vantage.rollups_1h.connect_count IS 'Timed results that have connect_us.';
COMMENT ON COLUMN vantage.rollups_1h.tls_count IS 'Timed results that have tls_us.';
COMMENT ON COLUMN vantage.rollups_1h.send_count IS 'Timed results that have send_us.';
COMMENT ON COLUMN vantage.rollups_1h.wait_count IS 'Timed results that have wait_us.';
COMMENT ON COLUMN vantage.rollups_1h.receive_count IS 'Timed results that have receive_us.';
COMMENT ON COLUMN vantage.rollups_1h.location IS 'vantage.locations.name.';
COMMENT ON COLUMN vantage.rollups_1h.failures IS
    'How often each code of docs/failures.md occurred: {"http_status": 3}. NULL: none did.';
COMMENT ON COLUMN vantage.rollups_1h.total_histogram IS
    'Histogram of total_us over the timed results: merge with sum(), read with vantage.percentile. '
    'NULL: there is none.';
COMMENT ON COLUMN vantage.rollups_1h.dns_histogram IS 'The same of dns_us.';
COMMENT ON COLUMN vantage.rollups_1h.connect_histogram IS 'The same of connect_us.';
COMMENT ON COLUMN vantage.rollups_1h.tls_histogram IS 'The same of tls_us.';
COMMENT ON COLUMN vantage.rollups_1h.send_histogram IS 'The same of send_us.';
COMMENT ON COLUMN vantage.rollups_1h.wait_histogram IS 'The same of wait_us.';
COMMENT ON COLUMN vantage.rollups_1h.receive_histogram IS 'The same of receive_us.';

CREATE TABLE vantage.rollups_1d (LIKE vantage.rollups_1h INCLUDING COMMENTS) WITH (fillfactor = 70);
COMMENT ON TABLE vantage.rollups_1d IS
    'The results of a monitor at a location summed up by the day, in UTC. Read it as '
    'vantage.results_1d.';

SELECT create_hypertable(
    'vantage.rollups_1h', 'bucket_at', chunk_time_interval => INTERVAL '7 days',
    create_default_indexes => false);
SELECT create_hypertable(
    'vantage.rollups_1d', 'bucket_at', chunk_time_interval => INTERVAL '90 days',
    create_default_indexes => false);
CREATE UNIQUE INDEX rollups_1h_monitor_location
    ON vantage.rollups_1h (monitor_id, location, bucket_at);
CREATE UNIQUE INDEX rollups_1d_monitor_location
    ON vantage.rollups_1d (monitor_id, location, bucket_at);

-- What was stored before this is rolled up in the same way as what comes.
INSERT INTO vantage.ingested (
    received_from_at, from_slot_at, to_slot_at, agent_id, results, location, monitor_ids)
SELECT
    min(received_at),
    min(slot_at),
    max(slot_at),
    agent_id,
    count(*),
    location,
    array_agg(DISTINCT monitor_id)
FROM vantage.results
GROUP BY
    agent_id,
    location,
    date_bin('1 hour', slot_at, 'epoch');
