CREATE OR REPLACE FUNCTION count_scans() RETURNS trigger LANGUAGE plpgsql AS $$
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

DROP TABLE scan_quarters;
