-- Where the edition can: chunks of a week and older, which hardly change any more, in columns. What
-- comes late for them, or is removed, works as before and costs more.
DO $$
DECLARE
    relation text;
BEGIN
    IF current_setting('timescaledb.license') <> 'timescale' THEN
        RETURN;
    END IF;
    FOREACH relation IN ARRAY '{results,exchanges}'::text[] LOOP
        IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables
                WHERE hypertable_schema = 'vantage' AND hypertable_name = relation) THEN
            EXECUTE format($statement$
                ALTER TABLE vantage.%I SET (
                    timescaledb.compress,
                    timescaledb.compress_segmentby = 'monitor_id, location',
                    timescaledb.compress_orderby = 'slot_at DESC')
                $statement$, relation);
        END IF;
        PERFORM public.add_compression_policy(
            format('vantage.%I', relation)::regclass, INTERVAL '7 days', if_not_exists => true);
    END LOOP;
END
$$;
