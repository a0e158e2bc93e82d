-- Totals and charts of all areas added up a row for each area: thirteen areas, a week, 26,000 rows. Now there is a row for
-- all of them, and the key begins with the area, so both an area's and everybody's numbers are one short range.

-- Nobody scans between the sum of what is there and the trigger that counts what comes; readers are not kept waiting.
LOCK TABLE scans IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE scan_quarters DROP CONSTRAINT scan_quarters_pkey, ADD CONSTRAINT scan_quarters_pkey PRIMARY KEY (area_id, quarter, kind, slot);
COMMENT ON COLUMN scan_quarters.area_id IS '0 where the scan has no dispatch area, -1 for all areas together';

CREATE OR REPLACE FUNCTION count_scans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stat_counters AS c (metric, area_id, slot, value)
    SELECT 'scans', coalesce(dispatch_area_id, 0), stat_slot(), count(*)
    FROM new_rows GROUP BY 2 ORDER BY 2
    ON CONFLICT (metric, area_id, slot) DO UPDATE SET value = c.value + excluded.value;

    INSERT INTO scan_quarters AS q (quarter, area_id, kind, slot, count)
    SELECT date_bin('15 minutes', uuidv7_time(n.id), timestamptz '2000-01-01 00:00:00+00'),
           a.area_id, n.kind, stat_slot(), count(*)
    FROM new_rows AS n CROSS JOIN LATERAL (VALUES (coalesce(n.dispatch_area_id, 0)), (-1)) AS a (area_id) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (area_id, quarter, kind, slot) DO UPDATE SET count = q.count + excluded.count;

    INSERT INTO scan_hours AS h (hour, area_id, user_id, kind, slot, count)
    SELECT date_bin('15 minutes', uuidv7_time(id), timestamptz '2000-01-01 00:00:00+00'),
           coalesce(dispatch_area_id, 0), user_id, kind, stat_slot(), count(*)
    FROM new_rows GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (hour, area_id, user_id, kind, slot) DO UPDATE SET count = h.count + excluded.count;
    RETURN NULL;
END
$$;

INSERT INTO scan_quarters (quarter, area_id, kind, slot, count)
SELECT quarter, -1, kind, 0, sum(count) FROM scan_quarters GROUP BY 1, 3;
