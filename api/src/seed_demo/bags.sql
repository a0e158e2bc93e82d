INSERT INTO bags (id, qr_code, kind, format_id, dispatch_area_id, created_at)
OVERRIDING SYSTEM VALUE
SELECT f.first_id + n, 'CH' || 10000000 + n, 'child', (SELECT id FROM bag_formats WHERE name = 'Child'),
       (SELECT id FROM dispatch_areas ORDER BY id OFFSET n % 10 LIMIT 1), f.created_at
FROM (SELECT min(bag_id) - 1 - min(loose_children) AS first_id, min(loose_children) AS loose, min(opened_at) - interval '1 hour' AS created_at
      FROM seed_parents) AS f,
     generate_series(1, f.loose) AS n;

INSERT INTO bags (id, qr_code, kind, status, format_id, child_count, capacity, auto_completed, dispatch_area_id, created_by, created_at, last_scan_at)
OVERRIDING SYSTEM VALUE
SELECT p.bag_id, p.qr_code, 'parent', p.status, f.id, p.child_count, f.capacity, p.child_count = f.capacity,
       p.dispatch_area_id, p.user_id, p.opened_at, p.opened_at + p.child_count * p.pace
FROM seed_parents p JOIN bag_formats f ON f.name = CASE WHEN p.qr_code LIKE 'SB%' THEN 'Mustard' ELSE 'Moong' END
ORDER BY p.bag_id;

INSERT INTO bags (id, qr_code, kind, format_id, dispatch_area_id, created_by, created_at, last_scan_at, is_loose)
OVERRIDING SYSTEM VALUE
SELECT c.bag_id, c.qr_code, 'child', (SELECT id FROM bag_formats WHERE name = 'Child'), c.dispatch_area_id, c.user_id, c.scanned_at, c.scanned_at, false
FROM seed_children c
ORDER BY c.bag_id;

SELECT setval(pg_get_serial_sequence('bags', 'id'), (SELECT max(id) FROM bags));

INSERT INTO bag_links (child_id, parent_id, scan_id, linked_by, linked_at)
SELECT bag_id, parent_id, scan_id, user_id, scanned_at FROM seed_children ORDER BY bag_id;
