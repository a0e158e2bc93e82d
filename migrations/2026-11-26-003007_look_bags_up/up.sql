-- Where the bags of a moment begin, without an index on their times: ids are given out as time goes by, so halving the ids
-- finds it in some twenty probes of the primary key.
CREATE FUNCTION bags_made_since(moment timestamptz) RETURNS bigint
    LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    low    bigint := (SELECT min(id) FROM bags);
    high   bigint := (SELECT max(id) + 1 FROM bags);
    middle bigint;
    bag    record;
BEGIN
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        SELECT id, created_at INTO bag FROM bags WHERE id >= middle ORDER BY id LIMIT 1;
        IF bag.created_at < moment THEN
            low := bag.id + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN coalesce(low, 0);
END
$$;
COMMENT ON FUNCTION bags_made_since IS 'Ids follow created_at as closely as transactions are short: ask with a margin, and compare created_at all the same';

-- The ids of up to `most` bags whose code contains `part`, in no order; with one or two characters, whose code begins with
-- it. Always over an index: the planner takes every term for a frequent one when it has not seen it.
CREATE FUNCTION bags_with_code_part(part text, most bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE STRICT ROWS 1000
    SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
    IF char_length(part) < 3 THEN
        -- Codes are made of capitals, digits and hyphens, which come before the tilde.
        RETURN QUERY SELECT b.id FROM bags b WHERE b.qr_code >= part COLLATE "C" AND b.qr_code < (part || '~') COLLATE "C" LIMIT most;
    ELSE
        RETURN QUERY SELECT b.id FROM bags b
            WHERE b.qr_code COLLATE "default" LIKE '%' || replace(replace(replace(part, '\', '\\'), '%', '\%'), '_', '\_') || '%' LIMIT most;
    END IF;
END
$$;
