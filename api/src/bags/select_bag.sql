SELECT b.id, b.qr_code, b.kind, b.status, b.format_id, f.name AS format, b.name, b.child_count, b.capacity,
f.child_weight_kg::float8 AS child_weight_kg, b.auto_completed, p.qr_code AS parent,
p.dispatch_area_id AS parent_area_id, bi.id AS bill_id, bi.bill_number AS bill,
coalesce(bi.status = 'completed', false) AS is_on_completed_bill, b.dispatch_area_id AS area_id, a.code AS area,
u.username AS created_by, b.created_at, b.last_scan_at
FROM bags b JOIN bag_formats f ON f.id = b.format_id
LEFT JOIN bag_links l ON l.child_id = b.id LEFT JOIN bags p ON p.id = l.parent_id
LEFT JOIN bill_bags pb ON pb.bag_id = l.parent_id LEFT JOIN bill_bags ob ON ob.bag_id = CASE b.kind WHEN 'parent' THEN b.id END
LEFT JOIN bills bi ON bi.id = coalesce(pb.bill_id, ob.bill_id)
LEFT JOIN dispatch_areas a ON a.id = b.dispatch_area_id LEFT JOIN users u ON u.id = b.created_by
