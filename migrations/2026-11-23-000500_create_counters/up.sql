-- Exact numbers for the dashboard at any size: a few slotted counters instead of counting rows,
-- and no single hot row that every writer would queue for. Statement-level triggers keep them,
-- so that psql and imports count too.

CREATE TABLE stat_counters (
    metric  text     NOT NULL,
    area_id integer  NOT NULL,
    slot    smallint NOT NULL,
    value   bigint   NOT NULL,
    CONSTRAINT stat_counters_pkey PRIMARY KEY (metric, area_id, slot)
) WITH (fillfactor = 50);
COMMENT ON COLUMN stat_counters.area_id IS '0 where the thing counted has no dispatch area';

CREATE TABLE scan_hours (
    hour    timestamptz NOT NULL,
    area_id integer     NOT NULL,
    user_id bigint      NOT NULL,
    kind    scan_kind   NOT NULL,
    slot    smallint    NOT NULL,
    count   bigint      NOT NULL,
    CONSTRAINT scan_hours_pkey PRIMARY KEY (hour, area_id, user_id, kind, slot)
) WITH (fillfactor = 50);
COMMENT ON COLUMN scan_hours.hour IS
    'Start of a quarter of an hour, UTC: quarters add up to hours and days in every time zone on earth, hours do not (Asia/Kolkata is at +05:30)';

CREATE FUNCTION stat_slot() RETURNS smallint LANGUAGE sql STABLE RETURN (pg_backend_pid() % 32)::smallint;

CREATE FUNCTION count_bags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One branch per event: a transition table exists only for the events that have one.
    IF TG_OP = 'INSERT' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), stat_slot(), count(*)
        FROM new_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), stat_slot(), -count(*)
        FROM old_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    ELSE
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), stat_slot(), sum(delta)
        FROM (SELECT status, dispatch_area_id, 1 AS delta FROM new_rows
              UNION ALL
              SELECT status, dispatch_area_id, -1 FROM old_rows) AS changes
        GROUP BY 1, 2 HAVING sum(delta) <> 0 ORDER BY 1, 2
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER bags_count_insert AFTER INSERT ON bags REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bags();
CREATE TRIGGER bags_count_update AFTER UPDATE ON bags REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bags();
CREATE TRIGGER bags_count_delete AFTER DELETE ON bags REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bags();

CREATE FUNCTION count_bills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT 'bills_' || status, 0, stat_slot(), count(*) FROM new_rows GROUP BY 1 ORDER BY 1
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT 'bills_' || status, 0, stat_slot(), -count(*) FROM old_rows GROUP BY 1 ORDER BY 1
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER bills_count_insert AFTER INSERT ON bills REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bills();
CREATE TRIGGER bills_count_update AFTER UPDATE ON bills REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bills();
CREATE TRIGGER bills_count_delete AFTER DELETE ON bills REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_bills();

CREATE FUNCTION count_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT CASE WHEN is_active THEN 'users_active' ELSE 'users_inactive' END, coalesce(dispatch_area_id, 0), stat_slot(), count(*)
        FROM new_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO stat_counters AS c (metric, area_id, slot, value)
        SELECT CASE WHEN is_active THEN 'users_active' ELSE 'users_inactive' END, coalesce(dispatch_area_id, 0), stat_slot(), -count(*)
        FROM old_rows GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_count_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_users();
CREATE TRIGGER users_count_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_users();
CREATE TRIGGER users_count_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_users();

CREATE FUNCTION count_scans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stat_counters AS c (metric, area_id, slot, value)
    SELECT 'scans', coalesce(dispatch_area_id, 0), stat_slot(), count(*)
    FROM new_rows GROUP BY 2 ORDER BY 2
    ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;

    INSERT INTO scan_hours AS h (hour, area_id, user_id, kind, slot, count)
    SELECT date_bin('15 minutes', uuidv7_time(id), timestamptz '2000-01-01 00:00:00+00'),
           coalesce(dispatch_area_id, 0), user_id, kind, stat_slot(), count(*)
    FROM new_rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (hour, area_id, user_id, kind, slot) DO UPDATE SET count = h.count + excluded.count;
    RETURN NULL;
END
$$;
CREATE TRIGGER scans_count_insert AFTER INSERT ON scans REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_scans();

-- What was there before the counters were.
INSERT INTO stat_counters (metric, area_id, slot, value)
SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), 0, count(*) FROM bags GROUP BY 1, 2
UNION ALL
SELECT 'bills_' || status, 0, 0, count(*) FROM bills GROUP BY 1
UNION ALL
SELECT CASE WHEN is_active THEN 'users_active' ELSE 'users_inactive' END, coalesce(dispatch_area_id, 0), 0, count(*) FROM users GROUP BY 1, 2
UNION ALL
SELECT 'scans', coalesce(dispatch_area_id, 0), 0, count(*) FROM scans GROUP BY 2;

INSERT INTO scan_hours (hour, area_id, user_id, kind, slot, count)
SELECT date_bin('15 minutes', uuidv7_time(id), timestamptz '2000-01-01 00:00:00+00'),
       coalesce(dispatch_area_id, 0), user_id, kind, 0, count(*)
FROM scans GROUP BY 1, 2, 3, 4;
