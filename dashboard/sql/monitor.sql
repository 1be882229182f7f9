-- One monitor over a span of time.

-- monitor --
SELECT
    id,
    name,
    url,
    interval_s,
    timeout_us,
    slow_us,
    created_at,
    kind,
    method,
    tags
FROM report.monitors
WHERE id = %(monitor_id)s

-- is_kept --
SELECT EXISTS (
    SELECT FROM report.results
    WHERE monitor_id = %(monitor_id)s AND slot_at >= %(from_at)s AND slot_at < %(to_at)s
) AS is_kept

-- monitor_standings --
SELECT
    latest.location,
    latest.title,
    latest.state,
    latest.slot_at,
    latest.failure,
    latest.http_status,
    latest.total_us,
    latest.cert_expires_at,
    latest.failing_since_at,
    latest.first_slot_at,
    locations.last_seen_at,
    locations.latitude,
    locations.longitude,
    latest.has_trouble
FROM report.latest
JOIN report.locations ON locations.name = latest.location
WHERE latest.monitor_id = %(monitor_id)s

-- slots_due --
SELECT
    location,
    due
FROM report.slots_due(%(monitor_id)s, %(locations)s, %(from_ats)s, %(settled_at)s)

-- monitor_stats --
-- One row per location, and one for the locations that are shown together (and for the others). What
-- a busy agent saw fail is no check that failed.
SELECT
    location,
    location = ANY(%(locations)s) AS is_shown,
    count(*) FILTER (WHERE NOT is_maintained AND NOT (outcome = 'down' AND suspect)) AS checks,
    count(*) FILTER (WHERE outcome <> 'down' AND NOT is_maintained) AS passed,
    count(*) FILTER (WHERE slot_at < %(settled_at)s) AS settled,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us)
        FILTER (WHERE outcome <> 'down' AND NOT suspect) AS median_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY total_us)
        FILTER (WHERE outcome <> 'down' AND NOT suspect) AS p95_us
FROM report.results
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM report.maintenance
    WHERE (maintenance.monitor_id IS NULL OR maintenance.monitor_id = %(monitor_id)s)
        AND maintenance.from_at < %(to_at)s
        AND maintenance.to_at > %(from_at)s
        AND results.slot_at >= maintenance.from_at
        AND results.slot_at < maintenance.to_at)) AS place (is_maintained)
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(ARRAY(
        SELECT monitor_locations.location
        FROM report.monitor_locations
        WHERE monitor_locations.monitor_id = %(monitor_id)s
        UNION
        SELECT unnest(%(locations)s::text[])))
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY GROUPING SETS ((location), (is_shown))

-- monitor_stats_1h --
-- The same, its whole hours from what is summed up. Which they are is written out each time: from a
-- common table expression the plan would not know how little is left beside them. Locations are named,
-- since the indexes have them before the time.
WITH wanted AS (
    SELECT ARRAY(
        SELECT location FROM report.monitor_locations WHERE monitor_id = %(monitor_id)s
        UNION
        SELECT unnest(%(locations)s::text[])
    ) AS names
),
parts AS (
    SELECT
        location,
        run - suspect_down AS checks,
        run - down AS passed,
        run AS settled,
        total_histogram
    FROM report.results_1h
    WHERE monitor_id = %(monitor_id)s
        AND location = ANY((SELECT names FROM wanted)::text[])
        AND bucket_at >= date_bin(
            '1 hour', %(from_at)s + INTERVAL '1 hour' - INTERVAL '1 us', 'epoch')
        AND bucket_at < date_bin('1 hour', %(settled_at)s, 'epoch')
    UNION ALL
    SELECT
        location,
        (NOT (outcome = 'down' AND suspect))::integer,
        (outcome <> 'down')::integer,
        (slot_at < %(settled_at)s)::integer,
        CASE WHEN outcome <> 'down' AND NOT suspect THEN vantage.histogram(total_us) END
    FROM (
        SELECT * FROM report.results_between(
            %(monitor_id)s,
            (SELECT names FROM wanted),
            %(from_at)s,
            LEAST(%(to_at)s, date_bin(
                '1 hour', %(from_at)s + INTERVAL '1 hour' - INTERVAL '1 us', 'epoch')))
        UNION ALL
        SELECT * FROM report.results_between(
            %(monitor_id)s,
            (SELECT names FROM wanted),
            GREATEST(
                date_bin('1 hour', %(from_at)s + INTERVAL '1 hour' - INTERVAL '1 us', 'epoch'),
                date_bin('1 hour', %(settled_at)s, 'epoch')),
            %(to_at)s)
    ) AS rest
    WHERE NOT is_extra
),
places AS (
    SELECT
        location,
        sum(checks) AS checks,
        sum(passed) AS passed,
        sum(settled) AS settled,
        vantage.merge(total_histogram) AS total_histogram
    FROM parts
    GROUP BY location
)
SELECT
    location,
    location = ANY(%(locations)s) AS is_shown,
    sum(checks)::bigint AS checks,
    sum(passed)::bigint AS passed,
    sum(settled)::bigint AS settled,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us,
    vantage.percentile(vantage.merge(total_histogram), 0.95)::integer AS p95_us
FROM places
GROUP BY GROUPING SETS ((location), (is_shown))

-- monitor_stats_1d --
-- The same of a span that begins with a day: its whole days, then the whole hours after them.
WITH parts AS (
    SELECT
        location,
        run - suspect_down AS checks,
        run - down AS passed,
        run AS settled,
        total_histogram
    FROM report.results_1d
    WHERE monitor_id = %(monitor_id)s
        AND bucket_at >= %(from_at)s
        AND bucket_at < date_bin('1 day', %(settled_at)s, 'epoch')
    UNION ALL
    SELECT location, run - suspect_down, run - down, run, total_histogram
    FROM report.results_1h
    WHERE monitor_id = %(monitor_id)s
        AND bucket_at >= date_bin('1 day', %(settled_at)s, 'epoch')
        AND bucket_at < date_bin('1 hour', %(settled_at)s, 'epoch')
    UNION ALL
    SELECT
        location,
        (NOT (outcome = 'down' AND suspect))::integer,
        (outcome <> 'down')::integer,
        (slot_at < %(settled_at)s)::integer,
        CASE WHEN outcome <> 'down' AND NOT suspect THEN vantage.histogram(total_us) END
    FROM report.results
    WHERE monitor_id = %(monitor_id)s
        AND slot_at >= date_bin('1 hour', %(settled_at)s, 'epoch')
        AND slot_at < %(to_at)s
        AND NOT is_extra
)
SELECT
    location,
    location = ANY(%(locations)s) AS is_shown,
    sum(checks) AS checks,
    sum(passed) AS passed,
    sum(settled) AS settled,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us,
    vantage.percentile(vantage.merge(total_histogram), 0.95)::integer AS p95_us
FROM parts
GROUP BY GROUPING SETS ((location), (is_shown))

-- checks_without_maintenance --
-- No row where there was none.
SELECT
    location,
    judged AS checks,
    passed
FROM report.availability(%(from_at)s, %(to_at)s, ARRAY[%(monitor_id)s::integer])
WHERE EXISTS (
    SELECT FROM report.maintenance
    WHERE (maintenance.monitor_id IS NULL OR maintenance.monitor_id = %(monitor_id)s)
        AND maintenance.from_at < %(to_at)s
        AND maintenance.to_at > %(from_at)s)

-- series --
-- One row per location and bucket: its median result by total_us, among those that passed and are
-- not suspect.
WITH placed AS (
    SELECT
        results.*,
        date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
        count(*) OVER bucket AS checks,
        count(*) FILTER (WHERE outcome = 'down') OVER bucket AS failed,
        min(slot_at) FILTER (WHERE outcome = 'down') OVER bucket AS failed_slot_at,
        count(*) FILTER (WHERE outcome <> 'down' AND NOT suspect) OVER bucket AS timed,
        row_number() OVER (
            bucket
            -- The same order as of outcome = 'down', suspect, total_us; one number sorts faster.
            ORDER BY
                ((outcome = 'down')::int * 2 + suspect::int) * 4294967296 + total_us,
                slot_at
        ) AS place
    FROM report.results
    WHERE monitor_id = %(monitor_id)s
        AND location = ANY(%(locations)s)
        AND slot_at >= %(from_at)s
        AND slot_at < %(to_at)s
        AND NOT is_extra
    WINDOW bucket AS (
        PARTITION BY date_bin(%(bucket)s, slot_at, 'epoch'), location COLLATE "C")
)
SELECT
    location,
    bucket_at,
    checks,
    failed,
    failed_slot_at,
    slot_at,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    -- Pings and questions are not sent apart.
    COALESCE(send_us, 0) + wait_us AS wait_us,
    receive_us,
    resources_us
FROM placed
WHERE place = GREATEST(1, (timed + 1) / 2)
ORDER BY location, bucket_at

-- series_10m --
-- The medians of ten minutes as they are.
SELECT
    location,
    bucket_at,
    run AS checks,
    down AS failed,
    failed_slot_at,
    slot_at,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    COALESCE(send_us, 0) + wait_us AS wait_us,
    receive_us,
    resources_us
FROM report.course(%(monitor_id)s, %(locations)s, %(from_at)s, %(to_at)s)
ORDER BY location, bucket_at

-- series_30m --
-- Of the medians of ten minutes the one in their middle.
WITH placed AS (
    SELECT
        tens.*,
        date_bin(%(bucket)s, tens.bucket_at, 'epoch') AS wide_at,
        sum(run) OVER bucket AS checks,
        sum(down) OVER bucket AS failed,
        min(failed_slot_at) OVER bucket AS first_failed_at,
        count(*) FILTER (WHERE timed > 0) OVER bucket AS timed_tens,
        row_number() OVER (bucket ORDER BY timed = 0, down = run, total_us, slot_at) AS place
    FROM report.course(%(monitor_id)s, %(locations)s, %(from_at)s, %(to_at)s) AS tens
    WINDOW bucket AS (PARTITION BY date_bin(%(bucket)s, tens.bucket_at, 'epoch'), location)
)
SELECT
    location,
    wide_at AS bucket_at,
    checks,
    failed,
    first_failed_at AS failed_slot_at,
    slot_at,
    total_us,
    redirect_us,
    dns_us,
    connect_us,
    tls_us,
    COALESCE(send_us, 0) + wait_us AS wait_us,
    receive_us,
    resources_us
FROM placed
WHERE place = GREATEST(1, (timed_tens + 1) / 2)
ORDER BY location, wide_at

-- series_1h --
-- From hours: the median total, divided in the proportion of the phases' sums. No result to open.
SELECT
    location,
    bucket_at,
    checks,
    failed,
    NULL::timestamptz AS failed_slot_at,
    NULL::timestamptz AS slot_at,
    total_us::integer AS total_us,
    (total_us / total_sum_us * redirect_sum_us)::integer AS redirect_us,
    (total_us / total_sum_us * dns_sum_us)::integer AS dns_us,
    (total_us / total_sum_us * connect_sum_us)::integer AS connect_us,
    (total_us / total_sum_us * tls_sum_us)::integer AS tls_us,
    (total_us / total_sum_us * wait_sum_us)::integer AS wait_us,
    (total_us / total_sum_us * receive_sum_us)::integer AS receive_us,
    (total_us / total_sum_us * resources_sum_us)::integer AS resources_us
FROM (
    -- Sums of floating numbers: exact up to 2 to the power of 53, and at a fraction of what PostgreSQL takes for
    -- those of bigint, which are numeric. Of a phase that no result reached there is none.
    SELECT
        hours.location,
        date_bin(%(bucket)s, hours.bucket_at, 'epoch') AS bucket_at,
        sum(run) AS checks,
        sum(down) AS failed,
        vantage.percentile(vantage.merge(total_histogram), 0.5) AS total_us,
        NULLIF(sum(total_sum_us::double precision), 0) AS total_sum_us,
        sum(redirect_sum_us::double precision) AS redirect_sum_us,
        sum(CASE WHEN dns_count > 0 THEN dns_sum_us::double precision END) AS dns_sum_us,
        sum(CASE WHEN connect_count > 0 THEN connect_sum_us::double precision END) AS connect_sum_us,
        sum(CASE WHEN tls_count > 0 THEN tls_sum_us::double precision END) AS tls_sum_us,
        sum(CASE WHEN wait_count > 0 THEN (send_sum_us + wait_sum_us)::double precision END)
            AS wait_sum_us,
        sum(CASE WHEN receive_count > 0 THEN receive_sum_us::double precision END)
            AS receive_sum_us,
        sum(CASE WHEN resources_count > 0 THEN resources_sum_us::double precision END)
            AS resources_sum_us
    FROM report.results_1h AS hours
    WHERE hours.monitor_id = %(monitor_id)s
        AND hours.location = ANY(%(locations)s)
        AND hours.bucket_at >= %(from_at)s
        AND hours.bucket_at < %(to_at)s
    GROUP BY 1, 2
    -- Nearly as hours are read: to sort so many and so wide rows by location first takes longer than to
    -- sort their sums once more.
    ORDER BY 2, 1
) AS summed
ORDER BY location, bucket_at

-- series_columns --
-- The rows of a series, its buckets in order, as one row for each location.
SELECT
    location,
    array_agg(
        (date_part('epoch', bucket_at - %(from_at)s)
            / date_part('epoch', %(bucket)s::interval))::integer) AS places,
    array_agg(checks::integer) AS checks,
    array_agg(failed::integer) AS failed,
    array_agg(CASE WHEN failed < checks THEN total_us END) AS total_us,
    array_agg(CASE WHEN failed < checks THEN redirect_us END) AS redirect_us,
    array_agg(CASE WHEN failed < checks THEN dns_us END) AS dns_us,
    array_agg(CASE WHEN failed < checks THEN connect_us END) AS connect_us,
    array_agg(CASE WHEN failed < checks THEN tls_us END) AS tls_us,
    array_agg(CASE WHEN failed < checks THEN wait_us END) AS wait_us,
    array_agg(CASE WHEN failed < checks THEN receive_us END) AS receive_us,
    array_agg(CASE WHEN failed < checks THEN resources_us END) AS resources_us,
    array_agg(
        (date_part('epoch', COALESCE(failed_slot_at, slot_at) - bucket_at) * 1000000)::bigint)
        AS slot_us
FROM (%(rows)s) AS buckets
GROUP BY location

-- heat_columns --
-- The rows of a heat map as one row for each location.
SELECT
    location,
    array_agg(
        (date_part('epoch', bucket_at - %(from_at)s)
            / date_part('epoch', %(bucket)s::interval))::integer) AS places,
    array_agg(checks::integer) AS checks,
    array_agg(failed::integer) AS failed,
    array_agg(median_us) AS median_us
FROM (%(rows)s) AS buckets
GROUP BY location

-- heat --
SELECT
    location,
    date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
    count(*) AS checks,
    count(*) FILTER (WHERE outcome = 'down') AS failed,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us)
        FILTER (WHERE outcome <> 'down' AND NOT suspect) AS median_us
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
GROUP BY location, bucket_at

-- heat_10m --
SELECT
    location,
    date_bin(%(bucket)s, tens.bucket_at, 'epoch') AS bucket_at,
    sum(run) AS checks,
    sum(down) AS failed,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us
FROM report.course(%(monitor_id)s, %(locations)s, %(from_at)s, %(to_at)s) AS tens
GROUP BY 1, 2

-- heat_1h --
SELECT
    location,
    date_bin(%(bucket)s, hours.bucket_at, 'epoch') AS bucket_at,
    sum(run) AS checks,
    sum(down) AS failed,
    vantage.percentile(vantage.merge(total_histogram), 0.5)::integer AS median_us
FROM report.results_1h AS hours
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND hours.bucket_at >= %(from_at)s
    AND hours.bucket_at < %(to_at)s
GROUP BY 1, 2

-- bands --
SELECT
    date_bin(%(bucket)s, slot_at, 'epoch') AS bucket_at,
    count(*) AS checks,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY total_us) AS p50_us,
    percentile_disc(0.75) WITHIN GROUP (ORDER BY total_us) AS p75_us,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY total_us) AS p95_us,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY total_us) AS p99_us
FROM report.results
WHERE monitor_id = %(monitor_id)s
    AND location = ANY(%(locations)s)
    AND slot_at >= %(from_at)s
    AND slot_at < %(to_at)s
    AND NOT is_extra
    AND outcome <> 'down'
    AND NOT suspect
GROUP BY bucket_at
ORDER BY bucket_at

-- bands_1h --
-- The same from hours, for spans whose buckets are no shorter.
SELECT
    bucket_at,
    timed AS checks,
    vantage.percentile(total_histogram, 0.5)::integer AS p50_us,
    vantage.percentile(total_histogram, 0.75)::integer AS p75_us,
    vantage.percentile(total_histogram, 0.95)::integer AS p95_us,
    vantage.percentile(total_histogram, 0.99)::integer AS p99_us
FROM (
    SELECT
        date_bin(%(bucket)s, hours.bucket_at, 'epoch') AS bucket_at,
        sum(hours.timed) AS timed,
        vantage.merge(hours.total_histogram) AS total_histogram
    FROM report.results_1h AS hours
    WHERE hours.monitor_id = %(monitor_id)s
        AND hours.location = ANY(%(locations)s)
        AND hours.bucket_at >= %(from_at)s
        AND hours.bucket_at < %(to_at)s
    GROUP BY 1
) AS merged
ORDER BY bucket_at

-- recent --
SELECT
    slot_at,
    location,
    outcome::text AS outcome,
    failure,
    http_status,
    total_us,
    suspect,
    is_extra
FROM report.results_between(%(monitor_id)s, %(locations)s, %(from_at)s, %(to_at)s)
ORDER BY slot_at DESC, location
LIMIT %(count)s
