-- Each row: what is checked, and how many things are wrong.
CREATE TEMP TABLE sent (id uuid PRIMARY KEY, outcome text);
COPY sent FROM STDIN;
{rows}\.
ANALYZE sent;

SELECT 'acknowledged scans that are lost', count(*)
FROM sent LEFT JOIN scans USING (id) WHERE sent.outcome IS NOT NULL AND scans.id IS NULL
UNION ALL
SELECT 'scans with another outcome than was acknowledged', count(*)
FROM sent JOIN scans USING (id) WHERE sent.outcome <> scans.outcome::text
UNION ALL
SELECT 'scans that were not sent', count(*)
FROM scans LEFT JOIN sent USING (id)
WHERE (scans.qr_code LIKE 'L{run}%' OR scans.qr_code LIKE 'SB{run}%') AND sent.id IS NULL
UNION ALL
SELECT 'linking scans without their link', count(*)
FROM scans WHERE qr_code LIKE 'L{run}%' AND outcome = 'linked' AND undone_at IS NULL
             AND NOT EXISTS (SELECT FROM bag_links WHERE scan_id = scans.id)
UNION ALL
SELECT 'linking scans without exactly one audit row', count(*)
FROM (SELECT s.qr_code FROM scans s LEFT JOIN audit_logs a ON a.entity_id = s.qr_code AND a.entity_type = 'bag' AND a.action = 'child_linked'
      WHERE s.qr_code LIKE 'L{run}%' AND s.outcome = 'linked' GROUP BY s.id, s.qr_code HAVING count(a.id) <> 1) AS wrong
UNION ALL
SELECT 'parents whose count is not that of their children', count(*)
FROM bags p WHERE kind = 'parent' AND child_count <> (SELECT count(*) FROM bag_links WHERE parent_id = p.id)
UNION ALL
SELECT 'bills made twice', count(*)
FROM (SELECT FROM bills WHERE vehicle_number LIKE 'LT{run}-%' GROUP BY vehicle_number HAVING count(*) > 1) AS twice
UNION ALL
SELECT 'counters that are not what they count', count(*)
FROM (
    SELECT metric, area_id, sum(value) AS value FROM stat_counters GROUP BY 1, 2 HAVING sum(value) <> 0
    EXCEPT
    SELECT * FROM (
        SELECT 'bags_' || coalesce('parent_' || status::text, 'child'), coalesce(dispatch_area_id, 0), count(*)::numeric FROM bags GROUP BY 1, 2
        UNION ALL
        SELECT 'bills_' || status, 0, count(*)::numeric FROM bills GROUP BY 1
        UNION ALL
        SELECT CASE WHEN is_active THEN 'users_active' ELSE 'users_inactive' END, coalesce(dispatch_area_id, 0), count(*)::numeric FROM users GROUP BY 1, 2
        UNION ALL
        SELECT 'scans', coalesce(dispatch_area_id, 0), count(*)::numeric FROM scans GROUP BY 2
    ) AS counted
) AS wrong
UNION ALL
SELECT 'hours whose scans are not what they count', count(*)
FROM (
    SELECT hour, area_id, user_id, kind, sum(count) FROM scan_hours GROUP BY 1, 2, 3, 4
    EXCEPT
    SELECT date_bin('15 minutes', uuidv7_time(id), timestamptz '2000-01-01 00:00:00+00'), coalesce(dispatch_area_id, 0), user_id, kind, count(*)::numeric
    FROM scans GROUP BY 1, 2, 3, 4
) AS wrong
UNION ALL
SELECT 'quarters whose scans are not what they count', count(*)
FROM (
    SELECT quarter, area_id, kind, sum(count) FROM scan_quarters GROUP BY 1, 2, 3
    EXCEPT
    SELECT date_bin('15 minutes', uuidv7_time(s.id), timestamptz '2000-01-01 00:00:00+00'), a.id, s.kind, count(*)::numeric
    FROM scans s CROSS JOIN LATERAL (VALUES (coalesce(s.dispatch_area_id, 0)), (-1)) AS a (id) GROUP BY 1, 2, 3
) AS wrong;
