CREATE OR REPLACE FUNCTION vantage.move_high_waters(
    agent_ids uuid[], incarnations bytea[], connections bigint[], olds bigint[], news bigint[],
    crc32s bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE vantage.incarnations AS kept
    SET
        high_water = moves.new,
        payload_crc32 = moves.crc32
    FROM unnest(agent_ids, incarnations, connections, olds, news, crc32s)
        AS moves (agent_id, incarnation, connection, old, new, crc32)
    WHERE kept.agent_id = moves.agent_id
        AND kept.incarnation = moves.incarnation
        AND kept.high_water = moves.old
        AND kept.connection = moves.connection;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(agent_ids) THEN
        RAISE EXCEPTION 'Of % high waters % were moved already.', cardinality(agent_ids),
            cardinality(agent_ids) - moved USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;
COMMENT ON FUNCTION vantage.move_high_waters IS
    'Moves the high waters of these incarnations, each delivered by the connection named, from old to '
    'new, with the CRC-32 of the result there; NULL: that one is lost. All of them, or it fails: what '
    'is stored in the same transaction is stored once. The collector calls it before each commit.';
