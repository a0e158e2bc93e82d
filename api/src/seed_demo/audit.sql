INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, area_id)
SELECT pg_temp.uuidv7(opened_at), opened_at, user_id, username, 'bag_created', 'bag', qr_code, coalesce(dispatch_area_id, 0)
FROM seed_parents ORDER BY scan_id;

INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, after, area_id)
SELECT pg_temp.uuidv7(c.scanned_at), c.scanned_at, c.user_id, c.username, e.action, 'bag', c.qr_code,
       CASE e.action WHEN 'child_linked' THEN jsonb_build_object('parent_qr_code', c.parent_qr_code) END,
       coalesce(c.dispatch_area_id, 0)
FROM seed_children c, unnest(ARRAY['bag_created', 'child_linked']) WITH ORDINALITY AS e (action, n);

INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, before, after, area_id)
SELECT pg_temp.uuidv7(opened_at + child_count * pace), opened_at + child_count * pace, user_id, username, 'parent_completed', 'bag', qr_code,
       '{"status": "open"}',
       jsonb_build_object('status', 'completed') || CASE WHEN child_count = 30 THEN '{"by": "last_child"}' ELSE '{}' END::jsonb,
       coalesce(dispatch_area_id, 0)
FROM seed_parents WHERE status = 'completed' ORDER BY scan_id;
