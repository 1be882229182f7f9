-- agent --
SELECT
    agents.location,
    agents.revoked_at
FROM vantage.agents
WHERE agents.id = %(agent_id)s

-- hello --
-- An incarnation that a process appends to replaces the one before it for ever: that one can only
-- come back as running if two machines are the same agent. Then nothing changes.
WITH own AS (
    SELECT superseded_at IS NOT NULL AS is_superseded
    FROM vantage.incarnations
    WHERE agent_id = %(agent_id)s
        AND incarnation = %(incarnation)s
),
replaced AS (
    UPDATE vantage.incarnations
    SET superseded_at = now()
    WHERE %(is_running)s
        AND agent_id = %(agent_id)s
        AND incarnation <> %(incarnation)s
        AND running_at IS NOT NULL
        AND superseded_at IS NULL
        AND NOT EXISTS (SELECT FROM own WHERE is_superseded)
)
INSERT INTO vantage.incarnations (agent_id, incarnation, running_at)
VALUES (%(agent_id)s, %(incarnation)s, CASE WHEN %(is_running)s THEN now() END)
ON CONFLICT (agent_id, incarnation)
DO UPDATE SET
    connection = incarnations.connection
        + CASE WHEN %(is_running)s AND incarnations.superseded_at IS NOT NULL THEN 0 ELSE 1 END,
    running_at = COALESCE(incarnations.running_at, EXCLUDED.running_at)
RETURNING
    high_water,
    connection,
    payload_crc32,
    %(is_running)s AND superseded_at IS NOT NULL AS is_superseded

-- close --
UPDATE vantage.incarnations
SET closed_at = now()
WHERE agent_id = %(agent_id)s
    AND incarnation = %(incarnation)s
    AND connection = %(connection)s

-- heartbeats --
-- Of several agents at once, each in the same order everywhere: collectors do not wait for each other
-- in a circle. An agent's clock is noted anew when a connection begins, when the offset has moved by
-- more than both readings are uncertain (and 10 ms), and every hour.
WITH said AS (
    SELECT *
    FROM unnest(
        %(numbers)b::integer[],
        %(agent_ids)b::uuid[],
        %(versions)b::text[],
        %(backlogs)b::bigint[],
        %(clock_offsets_us)b::bigint[],
        %(clock_uncertainties_us)b::bigint[],
        %(are_clocks_off)b::boolean[],
        %(are_first_readings)b::boolean[],
        %(running)b::bytea[]
    ) AS said (
        number,
        agent_id,
        version,
        backlog,
        clock_offset_us,
        clock_uncertainty_us,
        is_clock_off,
        is_first_reading,
        running
    )
),
locked AS MATERIALIZED (
    SELECT id
    FROM vantage.agents
    WHERE id = ANY(%(agent_ids)b::uuid[])
        AND revoked_at IS NULL
    ORDER BY id
    FOR NO KEY UPDATE
),
-- Of two streams of one agent the one that spoke last counts.
newest AS (
    SELECT DISTINCT ON (said.agent_id) said.*
    FROM said
    JOIN locked ON locked.id = said.agent_id
    ORDER BY
        said.agent_id,
        said.number DESC
),
beaten AS (
    UPDATE vantage.agents
    SET
        last_seen_at = now(),
        version = COALESCE(newest.version, agents.version),
        backlog = COALESCE(newest.backlog, agents.backlog),
        clock_offset_us = COALESCE(newest.clock_offset_us, agents.clock_offset_us),
        clock_uncertainty_us = COALESCE(newest.clock_uncertainty_us, agents.clock_uncertainty_us),
        is_clock_off = COALESCE(newest.is_clock_off, agents.is_clock_off)
    FROM newest
    WHERE agents.id = newest.agent_id
    RETURNING
        agents.id,
        agents.clock_offset_us,
        agents.clock_uncertainty_us,
        agents.takes_from IS NOT NULL AND agents.takes_until IS NULL AS is_in_pool,
        newest.clock_offset_us IS NOT NULL AS is_reading,
        newest.is_first_reading
),
noted AS (
    INSERT INTO vantage.agent_clocks (agent_id, offset_us, uncertainty_us)
    SELECT
        beaten.id,
        beaten.clock_offset_us,
        beaten.clock_uncertainty_us
    FROM beaten
    LEFT JOIN LATERAL (
        SELECT *
        FROM vantage.agent_clocks
        WHERE agent_clocks.agent_id = beaten.id
        ORDER BY agent_clocks.measured_at DESC
        LIMIT 1
    ) AS known ON true
    WHERE beaten.is_reading
        AND (
            beaten.is_first_reading
            OR known.measured_at IS NULL
            OR known.measured_at < now() - INTERVAL '1 hour'
            OR abs(beaten.clock_offset_us - known.offset_us)
                > greatest(beaten.clock_uncertainty_us + known.uncertainty_us, 10000)
        )
    ON CONFLICT DO NOTHING
)
SELECT
    said.number,
    beaten.is_in_pool,
    incarnations.superseded_at IS NOT NULL AS is_superseded
FROM said
JOIN beaten ON beaten.id = said.agent_id
LEFT JOIN vantage.incarnations
    ON incarnations.agent_id = said.agent_id
    AND incarnations.incarnation = said.running

-- join_pool --
WITH back AS (
    INSERT INTO vantage.agent_events (agent_id, location, kind, detail)
    SELECT
        id,
        location,
        'online',
        'Its monitors had been handed over at ' || date_trunc('second', takes_until) || '.'
    FROM vantage.agents
    WHERE id = %(agent_id)s
        AND takes_until IS NOT NULL
)
SELECT vantage.join_pool(%(agent_id)s)

-- leave_pools --
-- Five heartbeats that did not come; one, where the connection ended a moment ago and nobody has heard
-- the agent since. Its last one may have been stored within a second after the end; a later one went to
-- another collector.
WITH lost AS (
    SELECT
        id,
        now() - make_interval(secs => for_s) AS at
    FROM unnest(%(lost_ids)b::uuid[], %(lost_for_s)b::float8[]) AS lost (id, for_s)
),
gone AS (
    UPDATE vantage.agents
    SET takes_until = now()
    WHERE takes_from IS NOT NULL
        AND takes_until IS NULL
        AND last_seen_at < now() - CASE
            WHEN EXISTS (
                SELECT
                FROM lost
                WHERE lost.id = agents.id
                    AND agents.last_seen_at < lost.at + INTERVAL '1 second')
                THEN INTERVAL '3 seconds'
            ELSE INTERVAL '10 seconds'
        END
    RETURNING
        id,
        location,
        last_seen_at
),
-- As the statement `assignments` ranks them; what is changed above is not seen here.
taking AS (
    SELECT *
    FROM vantage.agents
    WHERE takes_from IS NOT NULL
        AND takes_until IS NULL
        AND revoked_at IS NULL
        AND location IN (SELECT location FROM gone)
),
left_alone AS (
    SELECT DISTINCT ON (monitor_locations.location, monitor_locations.monitor_id)
        monitor_locations.monitor_id,
        taking.id AS agent_id
    FROM vantage.monitor_locations
    JOIN vantage.monitors ON monitors.id = monitor_locations.monitor_id
    JOIN taking USING (location)
    WHERE monitors.removed_at IS NULL
        AND monitors.paused_at IS NULL
    ORDER BY
        monitor_locations.location,
        monitor_locations.monitor_id,
        md5(monitor_locations.monitor_id || '/' || taking.id)
),
absent AS (
    INSERT INTO vantage.absences (from_at, to_at, agent_id, location, monitor_ids)
    SELECT
        gone.last_seen_at,
        CASE WHEN EXISTS (
            SELECT
            FROM taking
            WHERE taking.location = gone.location
                AND taking.id NOT IN (SELECT id FROM gone)
        ) THEN now() END,
        gone.id,
        gone.location,
        array_agg(left_alone.monitor_id ORDER BY left_alone.monitor_id)
    FROM gone
    JOIN left_alone ON left_alone.agent_id = gone.id
    GROUP BY
        gone.id,
        gone.location,
        gone.last_seen_at
),
noted AS (
    INSERT INTO vantage.agent_events (at, agent_id, location, kind, detail)
    SELECT
        last_seen_at,
        id,
        location,
        'offline',
        CASE WHEN EXISTS (
            SELECT
            FROM vantage.agents
            WHERE agents.location = gone.location
                AND agents.id NOT IN (SELECT id FROM gone)
                AND agents.takes_from IS NOT NULL
                AND agents.takes_until IS NULL
                AND agents.revoked_at IS NULL)
            THEN 'Other agents of the location took over its monitors.'
            ELSE 'No other agent of the location could take over its monitors.'
        END
    FROM gone
)
SELECT
    id,
    location
FROM gone

-- lock_high_waters --
SELECT
    incarnations.agent_id,
    incarnations.incarnation,
    incarnations.high_water,
    incarnations.connection,
    agents.revoked_at IS NOT NULL AS is_revoked
FROM unnest(%(agent_ids)b::uuid[], %(incarnations)b::bytea[]) AS wanted (agent_id, incarnation)
JOIN vantage.incarnations USING (agent_id, incarnation)
JOIN vantage.agents ON agents.id = incarnations.agent_id
ORDER BY
    incarnations.agent_id,
    incarnations.incarnation
FOR UPDATE OF incarnations

-- move_high_waters --
SELECT vantage.move_high_waters(
    %(agent_ids)b::uuid[],
    %(incarnations)b::bytea[],
    %(connections)b::bigint[],
    %(olds)b::bigint[],
    %(news)b::bigint[],
    %(crc32s)b::bigint[])

-- ingested --
INSERT INTO vantage.ingested (agent_id, location, from_slot_at, to_slot_at, results)
SELECT
    agent_id,
    location,
    TIMESTAMPTZ 'epoch' + from_slot_us * INTERVAL '1 microsecond',
    TIMESTAMPTZ 'epoch' + to_slot_us * INTERVAL '1 microsecond',
    results
FROM unnest(
    %(agent_ids)b::uuid[],
    %(locations)b::text[],
    %(from_slots_us)b::bigint[],
    %(to_slots_us)b::bigint[],
    %(results)b::integer[]
) AS told (agent_id, location, from_slot_us, to_slot_us, results)

-- arrived --
INSERT INTO vantage.arrivals (agent_id, location, monitor_ids, slots_at_us, outcomes)
SELECT
    agent_id,
    location,
    string_to_array(monitor_ids, ';')::integer[],
    string_to_array(slots_at_us, ';')::bigint[],
    string_to_array(outcomes, ';')
FROM unnest(
    %(agent_ids)b::uuid[],
    %(locations)b::text[],
    %(monitor_ids)b::text[],
    %(slots_at_us)b::text[],
    %(outcomes)b::text[]
) AS told (agent_id, location, monitor_ids, slots_at_us, outcomes)

-- stored_before --
-- Result by result, by the index: LATERAL with LIMIT leaves no other plan.
WITH told AS (
    SELECT
        seq,
        payload,
        is_missed,
        monitor_id,
        TIMESTAMPTZ 'epoch' + first_us * INTERVAL '1 microsecond' AS first_at,
        TIMESTAMPTZ 'epoch' + second_us * INTERVAL '1 microsecond' AS second_at
    FROM unnest(
        %(seqs)b::bigint[],
        %(payloads)b::bytea[],
        %(are_missed)b::boolean[],
        %(monitor_ids)b::integer[],
        %(firsts_us)b::bigint[],
        %(seconds_us)b::bigint[]
    ) AS told (seq, payload, is_missed, monitor_id, first_us, second_us)
)
SELECT told.seq
FROM told
CROSS JOIN LATERAL (
    SELECT
    FROM vantage.results
    WHERE NOT told.is_missed
        AND results.monitor_id = told.monitor_id
        AND results.location = %(location)s
        AND results.slot_at = told.first_at
        AND results.started_at = told.second_at
        AND results.agent_id = %(agent_id)s
    LIMIT 1
) AS result
UNION ALL
SELECT told.seq
FROM told
CROSS JOIN LATERAL (
    SELECT
    FROM vantage.gaps
    WHERE told.is_missed
        AND gaps.monitor_id = told.monitor_id
        AND gaps.location = %(location)s
        AND gaps.from_slot_at = told.first_at
        AND gaps.to_slot_at = told.second_at
        AND gaps.agent_id = %(agent_id)s
    LIMIT 1
) AS gap
UNION ALL
SELECT told.seq
FROM told
WHERE told.payload IN (
    SELECT quarantine.payload FROM vantage.quarantine WHERE quarantine.agent_id = %(agent_id)s
)

-- quarantine --
INSERT INTO vantage.quarantine (agent_id, incarnation, seq, reason, payload, monitor_id)
VALUES (
    %(agent_id)s, %(incarnation)s, %(seq)s, %(reason)s, %(payload)s, %(monitor_id)s)

-- skip --
INSERT INTO vantage.skips (agent_id, incarnation, from_seq, to_seq, reason)
VALUES (%(agent_id)s, %(incarnation)s, %(from_seq)s, %(to_seq)s, %(reason)s)

-- note_event --
INSERT INTO vantage.agent_events (agent_id, location, kind, detail)
VALUES (%(agent_id)s, %(location)s, %(kind)s, %(detail)s)

-- notify_results --
SELECT pg_notify('vantage_results', %(monitors)s)

-- monitors_of_locations --
SELECT
    location,
    array_agg(monitor_id) AS monitor_ids
FROM vantage.monitor_locations
GROUP BY location

-- assigned --
-- Which monitors each agent runs, a row an agent.
--
-- At each slot the agent with the smallest hash among those that take part runs a monitor
-- (rendezvous hashing): when an agent goes only its own monitors move. So an agent runs one from
-- when it takes part until a better one does, and never where a better one came first. What has
-- ended stays for a minute: the agent's clock may be behind.
WITH ranked AS (
    SELECT
        agents.id AS agent_id,
        monitor_locations.monitor_id,
        monitor_locations.location,
        agents.takes_from,
        min(agents.takes_from) OVER (
            PARTITION BY
                monitor_locations.monitor_id,
                monitor_locations.location
            ORDER BY md5(monitor_locations.monitor_id || '/' || agents.id)
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS better_from,
        count(*) OVER (
            PARTITION BY
                monitor_locations.monitor_id,
                monitor_locations.location
        ) AS agents
    FROM vantage.monitor_locations
    JOIN vantage.agents USING (location)
    WHERE agents.revoked_at IS NULL
        AND agents.takes_from IS NOT NULL
        AND agents.takes_until IS NULL
),
chosen AS (
    SELECT *
    FROM ranked
    WHERE better_from IS NULL
        OR (better_from > takes_from AND better_from > now() - INTERVAL '1 minute')
)
SELECT
    chosen.agent_id,
    bool_or(chosen.agents > 1) AS is_shared,
    array_agg(monitors.id ORDER BY monitors.id) AS monitor_ids,
    array_agg(
        vantage.slot_offset_us(monitors.id, chosen.location, monitors.interval_s)
        ORDER BY monitors.id
    ) AS offsets_us,
    array_agg((extract(epoch FROM chosen.takes_from) * 1000000)::bigint ORDER BY monitors.id)
        AS from_slots_us,
    array_agg((extract(epoch FROM chosen.better_from) * 1000000)::bigint ORDER BY monitors.id)
        AS until_slots_us
FROM chosen
JOIN vantage.monitors ON monitors.id = chosen.monitor_id
WHERE monitors.removed_at IS NULL
    AND monitors.paused_at IS NULL
    AND chosen.agent_id = ANY(%(agent_ids)b::uuid[])
GROUP BY chosen.agent_id

-- assigned_monitors --
SELECT
    monitors.id,
    monitors.url,
    monitors.interval_s,
    monitors.timeout_us,
    monitors.slow_us,
    monitors.max_redirects,
    monitors.method,
    monitors.headers,
    monitors.body,
    monitors.ip_version,
    monitors.http_version,
    monitors.is_insecure,
    monitors.is_uncompressed,
    monitors.is_paired,
    monitors.client_certificate,
    monitors.authority,
    monitors.proxy,
    host(monitors.connect_to) AS connect_to,
    monitors.name_server,
    monitors.phase_timeouts,
    (SELECT json_agg(
        json_build_object(
            'account_id', monitors.account_id, 'monitor_id', monitor_id, 'name', secrets.name,
            'key_id', key_id, 'sealed', encode(sealed, 'hex'), 'nonce', encode(nonce, 'hex'))
        ORDER BY secrets.name COLLATE "C")
    FROM vantage.secrets
    WHERE secrets.monitor_id = monitors.id) AS secrets,
    monitors.assertions,
    monitors.kind
FROM vantage.monitors
WHERE monitors.id = ANY(%(monitor_ids)b::integer[])
