ALTER TABLE imports DROP COLUMN api_key_id;
ALTER TABLE audit_logs DROP COLUMN api_key_id;
