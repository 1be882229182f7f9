-- The median result of every ten minutes, which charts of a day are drawn from.

-- Literal bounds let the planner leave out the chunks that have nothing of the span.
CREATE OR REPLACE FUNCTION vantage.medians_between(
    monitor_ids integer[], locations text[], from_at timestamptz, to_at timestamptz)
RETURNS SETOF vantage.medians
LANGUAGE plpgsql STABLE
-- It would look for chunks to leave out once more for every pair.
SET timescaledb.enable_chunk_append = off
AS $$
BEGIN
    RETURN QUERY EXECUTE format($statement$
        SELECT
            grouped.bucket_at,
            median.slot_at,
            grouped.failed_slot_at,
            grouped.monitor_id,
            grouped.run,
            grouped.down,
            grouped.timed,
            median.total_us,
            median.redirect_us,
            median.dns_us,
            median.connect_us,
            median.tls_us,
            median.send_us,
            median.wait_us,
            median.receive_us,
            median.resources_us,
            grouped.location,
            grouped.total_histogram
        FROM (
            SELECT
                pairs.monitor_id,
                pairs.location,
                date_bin('10 minutes', slot_at, 'epoch') AS bucket_at,
                min(slot_at) FILTER (WHERE outcome = 'down') AS failed_slot_at,
                count(*)::integer AS run,
                (count(*) FILTER (WHERE outcome = 'down'))::integer AS down,
                (count(*) FILTER (WHERE timed))::integer AS timed,
                vantage.merge(vantage.histogram(total_us)) FILTER (WHERE timed) AS total_histogram,
                COALESCE(
                    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) FILTER (WHERE timed),
                    min(total_us) FILTER (WHERE outcome <> 'down'),
                    min(total_us) FILTER (WHERE NOT suspect),
                    min(total_us)) AS total_us
            FROM unnest($1, $2) AS pairs (monitor_id, location)
            CROSS JOIN LATERAL (
                SELECT
                    results.slot_at,
                    results.outcome,
                    results.suspect,
                    results.total_us,
                    results.outcome <> 'down' AND NOT results.suspect AS timed
                FROM vantage.results
                WHERE results.monitor_id = pairs.monitor_id
                    AND results.location = pairs.location
                    AND results.slot_at >= %1$L
                    AND results.slot_at < %2$L
                    AND NOT results.is_extra
            ) AS judged
            GROUP BY 1, 2, 3
        ) AS grouped
        CROSS JOIN LATERAL (
            SELECT *
            FROM vantage.results
            WHERE results.monitor_id = grouped.monitor_id
                AND results.location = grouped.location
                AND results.slot_at >= grouped.bucket_at
                AND results.slot_at < grouped.bucket_at + INTERVAL '10 minutes'
                AND results.slot_at >= %1$L
                AND results.slot_at < %2$L
                AND results.total_us = grouped.total_us
                AND NOT results.is_extra
            ORDER BY
                results.outcome = 'down',
                results.suspect,
                results.slot_at
            LIMIT 1
        ) AS median
        $statement$, from_at, to_at)
    USING monitor_ids, locations;
END
$$;
COMMENT ON FUNCTION vantage.medians_between IS
    'vantage.medians of pairs of monitor and location, made from their results from from_at up to, not '
    'including, to_at.';

CREATE OR REPLACE FUNCTION vantage.step_end(from_id integer, pairs_max integer)
RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT monitor_id + 1
    FROM vantage.standings
    WHERE monitor_id >= from_id
    ORDER BY
        monitor_id,
        location
    OFFSET pairs_max - 1
    LIMIT 1
$$;
COMMENT ON FUNCTION vantage.step_end IS
    'Before which monitor a step ends that begins with the monitor from_id and is about pairs_max pairs '
    'of monitor and location long: a monitor''s pairs stay together. NULL: with the last one.';

CREATE OR REPLACE FUNCTION vantage.sum_up_medians(pairs_max integer DEFAULT 5000)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    first_at timestamptz;
    from_id integer;
    to_id integer;
    made integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('vantage.rollups'));
    SELECT medians_to_at, medians_monitor_id INTO first_at, from_id FROM vantage.rollup_progress;
    IF now() < first_at + INTERVAL '10 minutes 30 seconds' THEN
        RETURN NULL;
    END IF;
    to_id := vantage.step_end(from_id, pairs_max);
    INSERT INTO vantage.medians
    SELECT made.*
    FROM (
        SELECT
            array_agg(monitor_id) AS monitor_ids,
            array_agg(location) AS locations
        FROM vantage.standings
        WHERE monitor_id >= from_id AND monitor_id < COALESCE(to_id, 2147483647)
    ) AS pairs
    CROSS JOIN LATERAL vantage.medians_between(
        pairs.monitor_ids, pairs.locations, first_at, first_at + INTERVAL '10 minutes') AS made;
    GET DIAGNOSTICS made = ROW_COUNT;
    UPDATE vantage.rollup_progress SET
        medians_to_at = CASE WHEN to_id IS NULL THEN first_at + INTERVAL '10 minutes' ELSE first_at END,
        medians_monitor_id = COALESCE(to_id, 0);
    RETURN made;
END
$$;
COMMENT ON FUNCTION vantage.sum_up_medians IS
    'Makes vantage.medians of the next ten minutes, once they are over, for about pairs_max pairs of '
    'monitor and location, and returns how many rows. NULL: they are not over. The collector calls it '
    'again and again.';

CREATE OR REPLACE FUNCTION vantage.amend_medians(
    ids bigint[], from_at timestamptz, to_at timestamptz, received_from_at timestamptz,
    received_to_at timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    late record;
BEGIN
    FOR late IN EXECUTE format($statement$
        SELECT
            bucket_at,
            array_agg(monitor_id) AS monitor_ids,
            array_agg(location) AS locations
        FROM (
            SELECT DISTINCT
                date_bin('10 minutes', results.slot_at, 'epoch') AS bucket_at,
                results.monitor_id,
                results.location
            FROM vantage.ingested
            JOIN vantage.results ON results.agent_id = ingested.agent_id
                AND results.received_at >= ingested.received_from_at
                AND results.received_at <= ingested.received_to_at
            CROSS JOIN vantage.rollup_progress AS progress
            WHERE ingested.id = ANY($1)
                AND results.slot_at >= %L
                AND results.slot_at <= %L
                AND results.received_at >= %L
                AND results.received_at <= %L
                AND results.slot_at >= progress.medians_from_at
                AND results.slot_at < progress.medians_to_at
                    + CASE WHEN results.monitor_id < progress.medians_monitor_id
                        THEN INTERVAL '10 minutes' ELSE INTERVAL '0' END
                AND NOT results.is_extra
        ) AS touched
        GROUP BY bucket_at
        $statement$, from_at, to_at, received_from_at, received_to_at)
    USING ids
    LOOP
        INSERT INTO vantage.medians
        SELECT * FROM vantage.medians_between(
            late.monitor_ids, late.locations, late.bucket_at, late.bucket_at + INTERVAL '10 minutes')
        ON CONFLICT (monitor_id, location, bucket_at) DO UPDATE SET
            slot_at = excluded.slot_at,
            failed_slot_at = excluded.failed_slot_at,
            run = excluded.run,
            down = excluded.down,
            timed = excluded.timed,
            total_us = excluded.total_us,
            redirect_us = excluded.redirect_us,
            dns_us = excluded.dns_us,
            connect_us = excluded.connect_us,
            tls_us = excluded.tls_us,
            send_us = excluded.send_us,
            wait_us = excluded.wait_us,
            receive_us = excluded.receive_us,
            resources_us = excluded.resources_us,
            total_histogram = excluded.total_histogram;
    END LOOP;
END
$$;
COMMENT ON FUNCTION vantage.amend_medians IS
    'Makes those of vantage.medians anew that what these rows of vantage.ingested name came too late '
    'for. A part of vantage.roll_up.';

CREATE OR REPLACE FUNCTION vantage.rebuild_medians(from_at timestamptz, to_at timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM vantage.medians WHERE bucket_at >= from_at AND bucket_at < to_at;
    -- Those that were being made are made again.
    UPDATE vantage.rollup_progress SET medians_monitor_id = 0
    WHERE medians_to_at >= from_at AND medians_to_at < to_at;
    INSERT INTO vantage.medians
    SELECT made.*
    FROM vantage.rollup_progress
    CROSS JOIN LATERAL vantage.medians_between(
        ARRAY(SELECT monitor_id FROM vantage.standings ORDER BY monitor_id, location),
        ARRAY(SELECT location FROM vantage.standings ORDER BY monitor_id, location),
        GREATEST(from_at, medians_from_at),
        LEAST(to_at, medians_to_at)) AS made;
END
$$;
COMMENT ON FUNCTION vantage.rebuild_medians IS
    'The part of vantage.rebuild_rollups that makes vantage.medians anew.';

CREATE OR REPLACE FUNCTION vantage.course(
    monitor_id integer, locations text[], from_at timestamptz, to_at timestamptz)
RETURNS SETOF vantage.medians
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    whole_from_at CONSTANT timestamptz := date_bin('10 minutes', from_at, 'epoch');
    monitor_ids CONSTANT integer[] := array_fill(monitor_id, ARRAY[cardinality(locations)]);
    kept_from_at timestamptz;
    kept_to_at timestamptz;
BEGIN
    -- report.course is the same, to which no other account's monitor is there.
    IF NOT EXISTS (SELECT FROM vantage.monitors WHERE monitors.id = course.monitor_id) THEN
        RETURN;
    END IF;
    SELECT
        LEAST(to_at, GREATEST(whole_from_at, progress.medians_from_at)),
        LEAST(to_at, GREATEST(whole_from_at, progress.medians_from_at, progress.medians_to_at
            + CASE WHEN course.monitor_id < progress.medians_monitor_id THEN INTERVAL '10 minutes'
                ELSE INTERVAL '0' END))
    INTO kept_from_at, kept_to_at
    FROM vantage.rollup_progress AS progress;
    RETURN QUERY EXECUTE format($statement$
        SELECT * FROM vantage.medians
        WHERE monitor_id = $1 AND location = ANY($2) AND bucket_at >= %L AND bucket_at < %L
        $statement$, kept_from_at, kept_to_at)
    USING monitor_id, locations;
    IF whole_from_at < kept_from_at THEN
        RETURN QUERY SELECT * FROM vantage.medians_between(
            monitor_ids, locations, whole_from_at, kept_from_at);
    END IF;
    IF kept_to_at < to_at THEN
        RETURN QUERY SELECT * FROM vantage.medians_between(
            monitor_ids, locations, kept_to_at, to_at);
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.course IS
    'vantage.medians of a monitor at some locations, from the ten minutes that hold from_at on up to, '
    'not including, to_at; what is not kept of it, the last minutes above all, is made from the results.';
