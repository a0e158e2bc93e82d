INSERT INTO scans (id, kind, outcome, source, qr_code, user_id, dispatch_area_id, scanned_at, recorded_at, status_after, child_count_after)
SELECT scan_id, 'parent', 'opened', 'wedge', qr_code, user_id, dispatch_area_id, opened_at, opened_at, 'open', 0
FROM seed_parents ORDER BY scan_id;

INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, recorded_at, status_after, child_count_after)
SELECT scan_id, 'child', 'linked', 'wedge', qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, scanned_at,
       CASE WHEN n = 30 THEN 'completed' ELSE 'open' END::bag_status, n
FROM seed_children;

-- Now and then a scanner's trigger is pulled twice.
INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, recorded_at, status_after, child_count_after)
SELECT pg_temp.uuidv7(scanned_at + interval '1 second'), 'child', 'already_linked', 'wedge', qr_code, parent_qr_code, user_id, dispatch_area_id,
       scanned_at + interval '1 second', scanned_at + interval '1 second', 'open', n
FROM seed_children WHERE bag_id % 97 = 0 AND n < 30;
