-- Where the edition can: chunks of a week and older, which hardly change any more, in columns. What
-- comes late for them, or is removed, works as before and costs more. A batch of a thousand rows holds a
-- monitor's locations one after the other: by itself, a location would rarely fill one in a day.
DO $$
DECLARE
    relation text;
BEGIN
    IF current_setting('timescaledb.license') <> 'timescale' THEN
        RETURN;
    END IF;
    FOREACH relation IN ARRAY '{results,exchanges}'::text[] LOOP
        -- What is in columns already stays as it was put there.
        IF NOT EXISTS (
            SELECT FROM timescaledb_information.compression_settings
            WHERE hypertable_schema = 'vantage' AND hypertable_name = relation
                AND attname = 'location' AND orderby_column_index = 1) THEN
            EXECUTE format($statement$
                ALTER TABLE vantage.%I SET (
                    timescaledb.compress,
                    timescaledb.compress_segmentby = 'monitor_id',
                    timescaledb.compress_orderby = 'location, slot_at DESC')
                $statement$, relation);
        END IF;
        PERFORM public.add_compression_policy(
            format('vantage.%I', relation)::regclass, INTERVAL '7 days', if_not_exists => true);
    END LOOP;
END
$$;
