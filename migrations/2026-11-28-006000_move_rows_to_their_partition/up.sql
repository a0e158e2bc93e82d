-- Partitions are made with the rows of their month, wherever these are, and archived months of the
-- audit log are recorded.
--
-- An archived month is never created again: its file is complete. What is left of it in the
-- database (role changes, deletions) stays in the default partition.

CREATE TABLE audit_archives (
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    month       date        NOT NULL,
    file        text,
    rows        bigint,
    archived_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT audit_archives_pkey PRIMARY KEY (id),
    CONSTRAINT audit_archives_month_check CHECK (month = date_trunc('month', month::timestamp)::date),
    CONSTRAINT audit_archives_rows_check CHECK (rows >= 0)
);
CREATE INDEX audit_archives_month_idx ON audit_archives (month);
COMMENT ON TABLE audit_archives IS 'A month has a row for each file: the first of its partition, further ones of entries that came later';
COMMENT ON COLUMN audit_archives.month IS 'First day of the month, UTC';
COMMENT ON COLUMN audit_archives.file IS 'Path on the machine that wrote it; null when there were no entries, or it was written before files were recorded';
COMMENT ON COLUMN audit_archives.rows IS 'Lines of the file; null where that is not known';

-- The application reads it. Only functions of the owner write it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
        REVOKE ALL ON audit_archives FROM traitortrack_app;
        GRANT SELECT ON audit_archives TO traitortrack_app;
    END IF;
END
$$;

-- Role changes and deletions stay in the database when their month is archived.
CREATE FUNCTION is_permanent_audit_action(action text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN action = 'role_changed' OR action LIKE '%\_deleted';

-- The first instant of a month, UTC.
CREATE FUNCTION month_start(month date) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN month::timestamp AT TIME ZONE 'UTC';

CREATE FUNCTION month_after(month date) RETURNS date
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (month::timestamp + interval '1 month')::date;

-- The partition of a month, when it is attached with the bounds of that month; null otherwise.
CREATE FUNCTION month_partition(parent regclass, month date) RETURNS regclass
    LANGUAGE sql STABLE STRICT SET search_path = public, pg_temp AS $$
    SELECT c.oid::regclass
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent AND NOT i.inhdetachpending AND c.relname = parent || '_' || to_char(month, 'YYYY_MM')
      AND pg_get_expr(c.relpartbound, c.oid)
          = format('FOR VALUES FROM (%L) TO (%L)', uuidv7_floor(month_start(month)), uuidv7_floor(month_start(month_after(month))))
$$;

-- Months that have rows in the default partition of a table, one step over the primary key for
-- each.
CREATE FUNCTION months_in_default_partition(parent regclass) RETURNS SETOF date
    LANGUAGE plpgsql STABLE STRICT SET search_path = public, pg_temp AS $$
DECLARE
    position uuid := '00000000-0000-0000-0000-000000000000';
    found_id uuid;
    month    date;
BEGIN
    LOOP
        EXECUTE format('SELECT id FROM %I WHERE id >= $1 ORDER BY id LIMIT 1', parent || '_default') INTO found_id USING position;
        EXIT WHEN found_id IS NULL;
        month := date_trunc('month', uuidv7_time(found_id) AT TIME ZONE 'UTC')::date;
        -- Ids beyond are of no clock; 48 bits of milliseconds end in the year 10889.
        EXIT WHEN month >= date '10000-01-01';
        RETURN NEXT month;
        position := uuidv7_floor(month_start(month_after(month)));
    END LOOP;
END
$$;

-- Months of a table that need a partition and have none: `months` of them from that of `first` on,
-- and those that have rows in the default partition. Months that were archived need none.
CREATE FUNCTION missing_month_partitions(parent regclass, first timestamptz, months integer) RETURNS SETOF date
    LANGUAGE sql STABLE STRICT SET search_path = public, pg_temp AS $$
    SELECT needed.month
    FROM (SELECT (date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => n))::date
          FROM generate_series(0, months - 1) AS n
          UNION
          SELECT months_in_default_partition(parent)) AS needed (month)
    WHERE month_partition(parent, needed.month) IS NULL
      AND NOT (parent = 'audit_logs'::regclass AND EXISTS (SELECT FROM audit_archives a WHERE a.month = needed.month))
    -- What is written now comes first.
    ORDER BY needed.month < date_trunc('month', now() AT TIME ZONE 'UTC')::date, needed.month
$$;

-- Makes the partition of a month and moves the rows of that month out of the default partition into
-- it. Returns how many rows were moved; null when the partition was there.
--
-- Writers of other months go on meanwhile. One that is on its way to the default partition is
-- refused, and tries again. Rows that are moved fire no trigger of the table, so counters stay as
-- they are.
CREATE FUNCTION make_month_partition(parent regclass, month date) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name     text := parent || '_' || to_char(month, 'YYYY_MM');
    fallback text := parent || '_default';
    low      uuid := uuidv7_floor(month_start(month));
    high     uuid := uuidv7_floor(month_start(month_after(month)));
    existing pg_class;
    parents  regclass[];
    columns  text;
    moved    bigint;
BEGIN
    IF parent NOT IN ('scans'::regclass, 'audit_logs'::regclass) OR month <> date_trunc('month', month::timestamp)::date THEN
        RAISE EXCEPTION '% is not partitioned by month, or % is not the first of a month', parent, month;
    END IF;
    -- One process at a time makes or drops partitions. The default partition is locked at once as
    -- attaching locks it: who locks it less and then more meets those who have read it and now
    -- write.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', fallback);
    IF month_partition(parent, month) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    IF parent = 'audit_logs'::regclass AND EXISTS (SELECT FROM audit_archives a WHERE a.month = make_month_partition.month) THEN
        RAISE EXCEPTION '% was archived and is not created again', name;
    END IF;

    SELECT c.* INTO existing FROM pg_class c WHERE c.oid = to_regclass(format('public.%I', name));
    IF existing.oid IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL EXCLUDING COMMENTS)', name, parent);
    ELSE
        -- A partition that was detached, or attached with other bounds, by hand.
        SELECT array_agg(i.inhparent::regclass) INTO parents FROM pg_inherits i WHERE i.inhrelid = existing.oid;
        IF existing.relkind <> 'r' OR existing.relowner <> (SELECT relowner FROM pg_class WHERE oid = parent) OR parents <> ARRAY[parent] THEN
            RAISE EXCEPTION '% exists and can''t be a partition of %: rename or drop it', name, parent;
        END IF;
        IF parents IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s DETACH PARTITION %I', parent, name);
        END IF;
    END IF;

    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('INSERT INTO %I (%s) SELECT %2$s FROM %I WHERE id >= $1 AND id < $2', name, columns, fallback) USING low, high;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved > 0 THEN
        PERFORM set_config('traitortrack.maintenance', 'on', true);
        EXECUTE format('DELETE FROM %I WHERE id >= $1 AND id < $2', fallback) USING low, high;
        PERFORM set_config('traitortrack.maintenance', 'off', true);
    END IF;
    -- Guarded like its parent: row triggers come with attaching.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'traitortrack_app') THEN
        EXECUTE format('REVOKE DELETE ON %I FROM traitortrack_app', name);
        IF parent = 'audit_logs'::regclass THEN
            EXECUTE format('REVOKE UPDATE ON %I FROM traitortrack_app', name);
        END IF;
    END IF;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, low, high);
    RETURN moved;
END
$$;

-- As before, by make_month_partition, and without the months that were archived.
CREATE OR REPLACE FUNCTION ensure_month_partitions(parent regclass, first timestamptz, months integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date;
    made  integer := 0;
BEGIN
    FOR month IN
        SELECT m FROM missing_month_partitions(parent, first, months) AS m
        WHERE m >= date_trunc('month', first AT TIME ZONE 'UTC') AND m < date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => months)
    LOOP
        made := made + (make_month_partition(parent, month) IS NOT NULL)::integer;
    END LOOP;
    RETURN made;
END
$$;

-- Months that were archived before there was a record of it: nothing of them is left but what
-- stays.
INSERT INTO audit_archives (month)
SELECT m FROM months_in_default_partition('audit_logs') AS m
WHERE m < date_trunc('month', (now() - interval '30 days') AT TIME ZONE 'UTC')::date AND month_partition('audit_logs', m) IS NULL
  AND NOT EXISTS (SELECT FROM audit_logs_default
                  WHERE id >= uuidv7_floor(month_start(m)) AND id < uuidv7_floor(month_start(month_after(m)))
                    AND NOT is_permanent_audit_action(action));
