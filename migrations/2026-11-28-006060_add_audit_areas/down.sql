ALTER TABLE audit_logs DROP COLUMN codes_by_area, DROP COLUMN previous_area_id, DROP COLUMN area_id;
