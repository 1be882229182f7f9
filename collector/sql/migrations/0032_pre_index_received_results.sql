-- no-transaction
CREATE INDEX IF NOT EXISTS results_received ON vantage.results (received_at)
    WITH (timescaledb.transaction_per_chunk);
