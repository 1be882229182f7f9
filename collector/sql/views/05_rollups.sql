-- Results by the minute, the hour and the day. Every number is a sum, so the collector adds what arrives,
-- late or not, to its hour, and an hour that is over to its day; what many monitors are asked for at a time
-- is copied from it to vantage.totals_1h as well. Minutes are made when they are asked for, since most
-- monitors have one result in each.
--
-- The statements differ in little but names, so they are made here from the columns of
-- vantage.rollups_1h.
DO $$
DECLARE
    -- What is summed up of the rows of vantage.results.
    measures text := (SELECT $text$
        count(*)::integer AS run,
        (count(*) FILTER (WHERE outcome = 'up'))::integer AS up,
        (count(*) FILTER (WHERE outcome = 'degraded'))::integer AS degraded,
        (count(*) FILTER (WHERE outcome = 'down'))::integer AS down,
        (count(*) FILTER (WHERE suspect))::integer AS suspect,
        (count(*) FILTER (WHERE suspect AND outcome = 'down'))::integer AS suspect_down,
        vantage.count_by(failure) FILTER (WHERE failure IS NOT NULL) AS failures,
        (count(*) FILTER (WHERE timed))::integer AS timed,
        COALESCE(sum(total_us) FILTER (WHERE timed), 0)::bigint AS total_sum_us,
        vantage.merge(vantage.histogram(total_us)) FILTER (WHERE timed) AS total_histogram,
        COALESCE(sum(redirect_us) FILTER (WHERE timed), 0)::bigint AS redirect_sum_us$text$
        || string_agg(format($text$,
        COALESCE(sum(%1$s_us) FILTER (WHERE timed), 0)::bigint AS %1$s_sum_us,
        (count(%1$s_us) FILTER (WHERE timed))::integer AS %1$s_count,
        vantage.merge(vantage.histogram(%1$s_us)) FILTER (WHERE timed) AS %1$s_histogram$text$, phase), '')
        FROM unnest('{dns,connect,tls,send,wait,receive,resources}'::text[]) AS phase);
    timed CONSTANT text := 'CROSS JOIN LATERAL (SELECT'
        ' results.outcome <> ''down'' AND NOT results.suspect AS timed) AS judged';
    taken CONSTANT text := 'slot_at, monitor_id, location, outcome, suspect, failure, is_extra,'
        ' http_status, cert_expires_at, total_us, redirect_us, dns_us, connect_us, tls_us, send_us,'
        ' wait_us, receive_us, resources_us';  -- what sums and standings are made of
    columns text;  -- all of them
    totals text;   -- the same, summed up over rows of rollups_1h
    added text;    -- the same, added to a row that is there
    outcomes text;       -- those of vantage.totals_1h
    outcomes_added text; -- the same, added to a row that is there
    standing text; -- the columns of vantage.standings
    newer text;    -- the same, of the newer of two rows
    summed text;   -- the end of a statement, which adds what it has named summed to days and hours' totals
BEGIN
    SELECT
        string_agg(attname, ', ' ORDER BY attnum),
        string_agg(total, ', ' ORDER BY attnum),
        string_agg(addition, ', ' ORDER BY attnum),
        string_agg(attname, ', ' ORDER BY attnum) FILTER (WHERE is_outcome),
        string_agg(addition, ', ' ORDER BY attnum) FILTER (WHERE is_outcome)
    INTO columns, totals, added, outcomes, outcomes_added
    FROM pg_attribute
    CROSS JOIN LATERAL (SELECT
        CASE
            WHEN attname = 'bucket_at' THEN 'date_bin(''1 day'', bucket_at, ''epoch'')'
            WHEN attname IN ('monitor_id', 'location') THEN attname
            WHEN attname = 'updated_at' THEN 'max(updated_at)'
            WHEN atttypid = 'jsonb'::regtype THEN format('vantage.merge_counts(%I)', attname)
            WHEN atttypid = 'numeric'::regtype THEN format('vantage.merge(%I)', attname)
            ELSE format('sum(%I)::%s', attname, atttypid::regtype)
        END AS total,
        CASE
            WHEN attname IN ('bucket_at', 'monitor_id', 'location') THEN NULL
            WHEN attname = 'updated_at' THEN 'updated_at = GREATEST(kept.updated_at, excluded.updated_at)'
            WHEN atttypid = 'jsonb'::regtype
                THEN format('%1$I = vantage.add_counts(kept.%1$I, excluded.%1$I)', attname)
            WHEN atttypid = 'numeric'::regtype
                THEN format('%1$I = COALESCE(kept.%1$I + excluded.%1$I, kept.%1$I, excluded.%1$I)',
                    attname)
            ELSE format('%1$I = kept.%1$I + excluded.%1$I', attname)
        END AS addition,
        EXISTS (
            SELECT FROM pg_attribute AS narrow
            WHERE narrow.attrelid = 'vantage.totals_1h'::regclass
                AND narrow.attname = pg_attribute.attname
        ) AS is_outcome
    ) AS made
    WHERE attrelid = 'vantage.rollups_1h'::regclass AND attnum > 0 AND NOT attisdropped;
    SELECT
        string_agg(attname, ', ' ORDER BY attnum),
        string_agg(CASE
            WHEN attname IN ('monitor_id', 'location') THEN NULL
            WHEN attname = 'first_slot_at'
                THEN 'first_slot_at = LEAST(kept.first_slot_at, excluded.first_slot_at)'
            ELSE format('%1$I = CASE WHEN excluded.slot_at >= kept.slot_at THEN excluded.%1$I '
                'ELSE kept.%1$I END', attname)
        END, ', ' ORDER BY attnum)
    INTO standing, newer
    FROM pg_attribute
    WHERE attrelid = 'vantage.standings'::regclass AND attnum > 0 AND NOT attisdropped;
    summed := format($text$,
        kept_totals AS (
            INSERT INTO vantage.totals_1h AS kept (%1$s)
            SELECT %1$s FROM summed
            WHERE bucket_at >= (SELECT hours_from_at FROM vantage.rollup_progress)
            ORDER BY monitor_id, location
            ON CONFLICT (monitor_id, location, bucket_at) DO UPDATE SET %2$s
        ),
        kept_monitors AS (
            INSERT INTO vantage.monitors_1h AS kept (bucket_at, monitor_id, run, degraded, down)
            SELECT bucket_at, monitor_id, sum(run), sum(degraded), sum(down) FROM summed
            WHERE bucket_at >= (SELECT hours_to_at - INTERVAL '2 days' FROM vantage.rollup_progress)
            GROUP BY bucket_at, monitor_id
            ON CONFLICT (monitor_id, bucket_at) DO UPDATE SET
                run = kept.run + excluded.run,
                degraded = kept.degraded + excluded.degraded,
                down = kept.down + excluded.down
        )
        INSERT INTO vantage.rollups_1d AS kept (%3$s)
        SELECT %4$s FROM summed
        GROUP BY date_bin('1 day', bucket_at, 'epoch'), monitor_id, location
        ORDER BY monitor_id, location
        ON CONFLICT (monitor_id, location, bucket_at) DO UPDATE SET %5$s
        $text$, outcomes, outcomes_added, columns, totals, added);

    EXECUTE format($view$
        CREATE OR REPLACE VIEW vantage.results_1m AS
        SELECT vantage.slots_due(
            monitor_id, location, bucket_at, LEAST(bucket_at + INTERVAL '1 minute', now())) AS due, %s
        FROM (
            SELECT
                date_bin('1 minute', slot_at, 'epoch') AS bucket_at,
                monitor_id,
                location,
                max(received_at) AS updated_at,
                %s
            FROM vantage.results %s
            WHERE NOT is_extra
            GROUP BY 1, 2, 3
        ) AS minutes
        $view$, columns, measures, timed);
    EXECUTE format($view$
        CREATE OR REPLACE VIEW vantage.results_1h AS
        SELECT vantage.slots_due(
            monitor_id, location, bucket_at, LEAST(bucket_at + INTERVAL '1 hour', now())) AS due, %s
        FROM vantage.rollups_1h
        $view$, columns);
    EXECUTE format($view$
        CREATE OR REPLACE VIEW vantage.open_days AS
        SELECT * FROM (
            SELECT %2$s
            FROM (
                SELECT %1$s FROM vantage.rollups_1d
                WHERE rollups_1d.bucket_at = (
                    SELECT date_bin('1 day', hours_to_at, 'epoch') FROM vantage.rollup_progress)
                UNION ALL
                SELECT %1$s FROM vantage.rollups_1h
                WHERE rollups_1h.bucket_at >= (SELECT hours_to_at FROM vantage.rollup_progress)
                    AND (rollups_1h.monitor_id >= (SELECT hours_monitor_id FROM vantage.rollup_progress)
                        OR rollups_1h.bucket_at >= (
                            SELECT hours_to_at + INTERVAL '1 hour' FROM vantage.rollup_progress))
            ) AS parts
            GROUP BY date_bin('1 day', bucket_at, 'epoch'), monitor_id, location
        ) AS days (%1$s)
        $view$, columns, totals);
    EXECUTE format($view$
        CREATE OR REPLACE VIEW vantage.results_1d AS
        SELECT vantage.slots_due(
            monitor_id, location, bucket_at, LEAST(bucket_at + INTERVAL '1 day', now())) AS due, %1$s
        FROM (
            SELECT %1$s FROM vantage.rollups_1d
            -- None is later. Of less-than the planner would expect a hundredth of the rows, as it does not know
            -- the day.
            WHERE rollups_1d.bucket_at <> (
                SELECT date_bin('1 day', hours_to_at, 'epoch') FROM vantage.rollup_progress)
            UNION ALL
            SELECT %1$s FROM vantage.open_days
        ) AS days
        $view$, columns);

    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION vantage.roll_up(results_max integer DEFAULT 20000)
        RETURNS TABLE (batches integer, results bigint)
        LANGUAGE plpgsql
        -- No statistics know yet what has just arrived.
        SET enable_nestloop = off
        AS $body$
        DECLARE
            chosen record;
            late_to_at timestamptz;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('vantage.rollups'));
            SELECT
                array_agg(id) AS ids,
                min(from_slot_at) AS from_at,
                max(to_slot_at) AS to_at,
                min(received_from_at) AS received_from_at,
                max(received_to_at) AS received_to_at,
                count(*)::integer AS batches,
                sum(waiting.results)::bigint AS results
            INTO chosen
            FROM (
                -- Agent by agent: most of what it costs is one changed row for each monitor and
                -- location, however many results of it are added.
                SELECT
                    ingested.*,
                    sum(ingested.results) OVER (ORDER BY ingested.first_id, ingested.id)
                        - ingested.results AS before
                FROM (
                    SELECT *, min(id) OVER (PARTITION BY agent_id) AS first_id
                    FROM (SELECT * FROM vantage.ingested ORDER BY id LIMIT 5000) AS waiting
                ) AS ingested
                -- What an agent had kept for long waits for a call of its own.
                JOIN (SELECT * FROM vantage.ingested ORDER BY id LIMIT 1) AS oldest
                    ON ingested.from_slot_at > oldest.from_slot_at - INTERVAL '1 day'
                    AND ingested.to_slot_at < oldest.to_slot_at + INTERVAL '1 day'
            ) AS waiting
            WHERE waiting.before < results_max;
            SELECT LEAST(chosen.to_at, medians_to_at
                + CASE WHEN medians_monitor_id > 0 THEN INTERVAL '10 minutes' ELSE INTERVAL '0' END)
            INTO late_to_at
            FROM vantage.rollup_progress;
            IF chosen.from_at <= late_to_at THEN
                PERFORM vantage.amend_medians(
                    chosen.ids, chosen.from_at, late_to_at,
                    chosen.received_from_at, chosen.received_to_at);
            END IF;
            IF chosen.ids IS NOT NULL THEN
                -- Literal bounds let the planner leave out the chunks that nothing came for.
                EXECUTE format($statement$
                    WITH taken AS (
                        DELETE FROM vantage.ingested WHERE id = ANY($1)
                        RETURNING *
                    ),
                    stored AS NOT MATERIALIZED (
                        SELECT *
                        FROM vantage.results
                        WHERE slot_at >= %%1$L
                            AND slot_at <= %%2$L
                            AND received_at >= %%3$L
                            AND received_at <= %%4$L
                    ),
                    arrived AS (
                        SELECT %8$s
                        FROM (
                            SELECT agent_id, received_from_at, received_to_at FROM taken
                        ) AS taken
                        JOIN stored USING (agent_id)
                        WHERE taken.received_from_at = taken.received_to_at
                            AND stored.received_at = taken.received_from_at
                        UNION ALL
                        -- What was there before there were rollups.
                        SELECT %8$s
                        FROM (
                            SELECT
                                agent_id, received_from_at, received_to_at, from_slot_at, to_slot_at,
                                location AS place
                            FROM taken
                        ) AS taken
                        JOIN stored USING (agent_id)
                        WHERE taken.received_from_at < taken.received_to_at
                            AND stored.location = taken.place
                            AND stored.received_at >= taken.received_from_at
                            AND stored.received_at <= taken.received_to_at
                            AND stored.slot_at >= taken.from_slot_at
                            AND stored.slot_at <= taken.to_slot_at
                    ),
                    stand AS (
                        INSERT INTO vantage.standings AS kept (%6$s)
                        SELECT DISTINCT ON (monitor_id, location) %6$s
                        FROM (
                            SELECT
                                arrived.*,
                                min(slot_at) OVER (
                                    PARTITION BY monitor_id, location ORDER BY slot_at DESC
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                                ) AS first_slot_at
                            FROM arrived
                        ) AS results
                        ORDER BY monitor_id, location, slot_at DESC
                        ON CONFLICT (monitor_id, location) DO UPDATE SET %7$s
                    ),
                    hours AS (
                        SELECT
                            date_bin('1 hour', slot_at, 'epoch') AS bucket_at,
                            monitor_id,
                            location,
                            now() AS updated_at,
                            %1$s
                        FROM arrived AS results %2$s
                        WHERE NOT is_extra
                        GROUP BY 1, 2, 3
                    )
                    $statement$
                    || CASE WHEN chosen.from_at < (
                        SELECT hours_to_at + LEAST(hours_monitor_id, 1) * INTERVAL '1 hour'
                        FROM vantage.rollup_progress
                    ) THEN $late$,
                    kept_hours AS (
                        INSERT INTO vantage.rollups_1h AS kept (%3$s)
                        SELECT %3$s FROM hours
                        ORDER BY monitor_id, location
                        ON CONFLICT (monitor_id, location, bucket_at) DO UPDATE SET %5$s
                    ),
                    summed AS (
                        SELECT hours.*
                        FROM hours
                        CROSS JOIN vantage.rollup_progress AS progress
                        WHERE bucket_at < progress.hours_to_at
                            + CASE WHEN monitor_id < progress.hours_monitor_id THEN INTERVAL '1 hour'
                                ELSE INTERVAL '0' END
                    )%4$s
                    $late$ ELSE $timely$
                    INSERT INTO vantage.rollups_1h AS kept (%3$s)
                    SELECT %3$s FROM hours
                    ORDER BY monitor_id, location
                    ON CONFLICT (monitor_id, location, bucket_at) DO UPDATE SET %5$s
                    $timely$ END, chosen.from_at, chosen.to_at, chosen.received_from_at,
                    chosen.received_to_at)
                USING chosen.ids;
            END IF;
            RETURN QUERY SELECT chosen.batches, COALESCE(chosen.results, 0);
        END
        $body$
        $function$, measures, timed, columns, summed, added, standing, newer, taken);

    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION vantage.sum_up_hour(pairs_max integer DEFAULT 5000)
        RETURNS timestamptz
        LANGUAGE plpgsql
        -- Of all hours of the chunk these are few, monitor by monitor.
        SET enable_seqscan = off
        AS $body$
        DECLARE
            first_at timestamptz;
            from_id integer;
            to_id integer;
            ids integer[];
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('vantage.rollups'));
            SELECT hours_to_at, hours_monitor_id INTO first_at, from_id FROM vantage.rollup_progress;
            -- Most of what is late has come two minutes later; the rest costs a little more.
            IF now() < first_at + INTERVAL '1 hour 2 minutes' THEN
                RETURN NULL;
            END IF;
            to_id := vantage.step_end(from_id, pairs_max);
            ids := ARRAY(
                SELECT DISTINCT monitor_id FROM vantage.standings
                WHERE monitor_id >= from_id AND monitor_id < COALESCE(to_id, 2147483647));
            EXECUTE format($statement$
                WITH summed AS (
                    SELECT *
                    FROM vantage.rollups_1h
                    WHERE bucket_at = %%1$L AND monitor_id = ANY($1)
                )%1$s
                $statement$, first_at)
            USING ids;
            DELETE FROM vantage.monitors_1h
            WHERE monitor_id = ANY(ids) AND bucket_at < first_at - INTERVAL '2 days';
            UPDATE vantage.rollup_progress SET
                hours_to_at = CASE WHEN to_id IS NULL THEN first_at + INTERVAL '1 hour' ELSE first_at END,
                hours_monitor_id = COALESCE(to_id, 0);
            RETURN first_at;
        END
        $body$
        $function$, summed);

    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION vantage.rebuild_rollups(from_at timestamptz, to_at timestamptz)
        RETURNS void
        LANGUAGE plpgsql
        AS $body$
        DECLARE
            first_at timestamptz := date_bin('1 day', from_at, 'epoch');
            last_at timestamptz := date_bin('1 day', to_at - INTERVAL '1 us', 'epoch') + INTERVAL '1 day';
            kept_from_at timestamptz := (SELECT min(slot_at) FROM vantage.results);
        BEGIN
            IF current_setting('transaction_isolation') <> 'repeatable read' THEN
                RAISE EXCEPTION 'vantage.rebuild_rollups needs BEGIN ISOLATION LEVEL REPEATABLE READ';
            END IF;
            IF kept_from_at IS NULL OR first_at < date_bin('1 day', kept_from_at, 'epoch') THEN
                RAISE EXCEPTION 'The results before %% are not kept any more: nothing before can be '
                    'rebuilt.', kept_from_at;
            END IF;
            WHILE (SELECT results FROM vantage.roll_up()) > 0 LOOP
            END LOOP;
            -- Fails, to be repeated, where an hour was summed up since.
            PERFORM FROM vantage.rollup_progress FOR UPDATE;
            DELETE FROM vantage.totals_1h WHERE bucket_at >= first_at AND bucket_at < last_at;
            DELETE FROM vantage.monitors_1h WHERE bucket_at >= first_at AND bucket_at < last_at;
            DELETE FROM vantage.rollups_1h WHERE bucket_at >= first_at AND bucket_at < last_at;
            DELETE FROM vantage.rollups_1d WHERE bucket_at >= first_at AND bucket_at < last_at;
            -- What was being made of them is made again.
            UPDATE vantage.rollup_progress SET hours_monitor_id = 0
            WHERE hours_to_at >= first_at AND hours_to_at < last_at;
            PERFORM vantage.rebuild_medians(first_at, last_at);
            INSERT INTO vantage.rollups_1h (%3$s)
            SELECT %3$s
            FROM (
                SELECT
                    date_bin('1 hour', slot_at, 'epoch') AS bucket_at,
                    monitor_id,
                    location,
                    now() AS updated_at,
                    %1$s
                FROM vantage.results %2$s
                WHERE slot_at >= first_at AND slot_at < last_at AND NOT is_extra
                GROUP BY 1, 2, 3
            ) AS hours;
            WITH summed AS (
                SELECT *
                FROM vantage.rollups_1h
                WHERE bucket_at >= first_at AND bucket_at < last_at
                    AND bucket_at < (SELECT hours_to_at FROM vantage.rollup_progress)
            )%4$s;
            UPDATE vantage.standings AS kept SET
                slot_at = newest.slot_at,
                outcome = newest.outcome,
                failure = newest.failure,
                http_status = newest.http_status,
                total_us = newest.total_us,
                cert_expires_at = newest.cert_expires_at
            FROM vantage.standings
            CROSS JOIN LATERAL (
                SELECT * FROM vantage.results
                WHERE results.monitor_id = standings.monitor_id
                    AND results.location = standings.location
                ORDER BY results.slot_at DESC
                LIMIT 1
            ) AS newest
            WHERE kept.monitor_id = standings.monitor_id
                AND kept.location = standings.location
                AND kept.slot_at >= first_at AND kept.slot_at < last_at;
        END
        $body$
        $function$, measures, timed, columns, summed);
END
$$;

CREATE OR REPLACE VIEW vantage.rollup_backlog AS
SELECT
    count(*) AS batches,
    COALESCE(sum(results), 0)::bigint AS results,
    COALESCE(now() - min(received_from_at), INTERVAL '0') AS lag
FROM vantage.ingested;
COMMENT ON VIEW vantage.rollup_backlog IS 'How far the rollups are behind vantage.results. One row.';
COMMENT ON COLUMN vantage.rollup_backlog.batches IS 'Batches that are not in the rollups yet.';
COMMENT ON COLUMN vantage.rollup_backlog.results IS 'Results that are not in the rollups yet.';
COMMENT ON COLUMN vantage.rollup_backlog.lag IS 'Age of the oldest of them; 0: there is none.';

COMMENT ON FUNCTION vantage.roll_up IS
    'Adds what vantage.ingested names, the agents that wait longest first, about results_max results '
    'of it, to the rollups and to vantage.standings; returns how many batches and results. The collector calls it again and again.';
COMMENT ON FUNCTION vantage.sum_up_hour IS
    'Adds the next hour, two minutes after it is over, to vantage.rollups_1d, vantage.totals_1h and '
    'vantage.monitors_1h, for about pairs_max pairs of monitor and location, and returns when it began. NULL: '
    'it is not over. The collector calls it again and again.';
COMMENT ON FUNCTION vantage.rebuild_rollups IS
    'Makes the rollups of the days from from_at to to_at anew from the results, after rows of '
    'vantage.results were changed by hand. Needs BEGIN ISOLATION LEVEL REPEATABLE READ.';
COMMENT ON VIEW vantage.results_1m IS
    'The results of each monitor at each location by the minute, made from vantage.results when it '
    'is read. A minute without a result has no row.';
COMMENT ON VIEW vantage.results_1h IS
    'The results of each monitor at each location by the hour. Kept by the collector, seconds behind '
    'vantage.results and for longer. An hour without a result has no row.';
COMMENT ON VIEW vantage.open_days IS
    'The present day, or two: what vantage.rollups_1d has of it and the hours that it has not yet, summed '
    'up when it is read. A part of vantage.results_1d.';
COMMENT ON VIEW vantage.results_1d IS
    'The results of each monitor at each location by the day, in UTC. Made of the hours, and kept for '
    'longer still. A day without a result has no row.';

-- The views' columns are the tables'.
DO $$
DECLARE
    passed record;
BEGIN
    FOR passed IN
        SELECT
            rollup AS view_name,
            attname AS column_name,
            col_description(attrelid, attnum) AS comment
        FROM unnest('{results_1m,results_1h,open_days,results_1d}'::text[]) AS rollup
        CROSS JOIN pg_attribute
        WHERE attrelid = 'vantage.rollups_1h'::regclass AND attnum > 0
        UNION ALL
        SELECT
            rollup,
            'due',
            'Slots that were due in it, up to now. due - run are missing: vantage.slots_accounted '
            'tells why.'
        FROM unnest('{results_1m,results_1h,results_1d}'::text[]) AS rollup
    LOOP
        EXECUTE format('COMMENT ON COLUMN vantage.%I.%I IS %L',
            passed.view_name, passed.column_name, passed.comment);
    END LOOP;
END
$$;

-- How far the days had come, while they were made when they were over; no view reads it any more.
ALTER TABLE vantage.rollup_progress DROP COLUMN IF EXISTS days_to_at, DROP COLUMN IF EXISTS days_monitor_id;
