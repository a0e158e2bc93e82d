-- What a scan of a child does, as one function: the equivalent of the API's work for one scan in one transaction.
CREATE OR REPLACE FUNCTION bench_scan(child_code text, parent_code text, packer bigint, area integer) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    parent   bags;
    child    bags;
    moment   timestamptz := clock_timestamp();
    scan     uuid := (left(uuidv7_floor(moment)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid;
    is_last  boolean;
BEGIN
    SELECT * INTO parent FROM bags WHERE qr_code = parent_code FOR UPDATE;
    IF NOT FOUND THEN RETURN 'unknown_parent'; END IF;
    IF parent.status = 'completed' THEN RETURN 'parent_completed'; END IF;
    IF parent.dispatch_area_id IS DISTINCT FROM area THEN RETURN 'other_dispatch_area'; END IF;
    IF EXISTS (SELECT FROM bill_bags bb JOIN bills b ON b.id = bb.bill_id WHERE bb.bag_id = parent.id AND b.status = 'completed') THEN
        RETURN 'parent_on_completed_bill';
    END IF;
    IF parent.child_count >= parent.capacity THEN RETURN 'parent_full'; END IF;
    SELECT * INTO child FROM bags WHERE qr_code = child_code FOR UPDATE;
    IF FOUND THEN
        IF EXISTS (SELECT FROM bag_links WHERE child_id = child.id) THEN RETURN 'linked_elsewhere'; END IF;
        UPDATE bags SET last_scan_at = moment, dispatch_area_id = area, is_loose = false WHERE id = child.id;
    ELSE
        INSERT INTO bags (qr_code, kind, format_id, dispatch_area_id, created_by, created_at, last_scan_at, is_loose)
        VALUES (child_code, 'child', 3, area, packer, moment, moment, false) RETURNING * INTO child;
    END IF;
    is_last := parent.child_count + 1 = parent.capacity;
    UPDATE bags SET child_count = child_count + 1, last_scan_at = moment, auto_completed = is_last,
                    status = CASE WHEN is_last THEN 'completed' ELSE status END
    WHERE id = parent.id;
    INSERT INTO bag_links (child_id, parent_id, scan_id, linked_by, linked_at) VALUES (child.id, parent.id, scan, packer, moment);
    INSERT INTO scans (id, kind, outcome, source, qr_code, parent_qr_code, user_id, dispatch_area_id, scanned_at, status_after, child_count_after)
    VALUES (scan, 'child', 'linked', 'wedge', child_code, parent_code, packer, area, moment,
            CASE WHEN is_last THEN 'completed' ELSE 'open' END::bag_status, parent.child_count + 1);
    INSERT INTO audit_logs (id, at, actor_id, actor_name, action, entity_type, entity_id, before, after, ip, user_agent, request_id)
    SELECT (left(scan::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, moment, packer, 'bench', e.action, 'bag', e.code,
           NULL, e.after, '127.0.0.1', 'pgbench', scan::text
    FROM (VALUES ('bag_created', child_code, NULL::jsonb),
                 ('child_linked', child_code, jsonb_build_object('parent_qr_code', parent_code)),
                 (CASE WHEN is_last THEN 'parent_completed' END, parent_code, '{"status": "completed"}')) AS e (action, code, after)
    WHERE e.action IS NOT NULL;
    RETURN 'linked';
END
$$;
-- As on the connections of the API's scan writer.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET traitortrack.links_are_noted = ''on''', current_database()); END $$;
